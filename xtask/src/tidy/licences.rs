//! Only permissive licences come in.

/// The licences that ask for no more than their notice.
const PERMISSIVE: [&str; 16] = [
    "0BSD",
    "Apache-2.0",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "bzip2-1.0.6",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "NCSA",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// A package and the SPDX expression it declares.
pub struct Licensed {
    pub name: String,
    pub licence: Option<String>,
}

/// Every package that offers no permissive way to use it.
pub fn check(packages: &[Licensed]) -> Vec<String> {
    packages.iter().filter_map(|p| refusal(p).map(|why| format!("dependency {}: {why}", p.name))).collect()
}

fn refusal(package: &Licensed) -> Option<String> {
    let Some(text) = &package.licence else {
        return Some("declares no licence".into());
    };
    match spdx::Expression::parse_mode(text, spdx::ParseMode::LAX) {
        Err(e) => Some(format!("its licence {text:?} cannot be read: {}", e.reason)),
        Ok(expression) => {
            let permissive =
                expression.evaluate(|req| req.license.id().is_some_and(|id| PERMISSIVE.contains(&id.name)));
            (!permissive).then(|| format!("its licence {text:?} is not a permissive one"))
        }
    }
}
