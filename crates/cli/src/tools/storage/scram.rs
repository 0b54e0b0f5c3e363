//! `--add-scram`: a user's SCRAM credential as a record (`org.apache.kafka.metadata.storage.ScramParser`).

use std::collections::BTreeMap;

use andiron_metadata::records::UserScramCredentialRecord;
use andiron_protocol::Uuid;
use andiron_protocol::scram::{ITERATIONS_DEFAULT, ITERATIONS_MAX, ITERATIONS_MIN, Mechanism};

use super::format::{Failed, terse};
use crate::tools::failure::Thrown;
use crate::tools::java_base64::{Alphabet, decode};

/// Reads `SCRAM-SHA-256=[name=alice,password=secret]`, where `iterations`, `salt` and, in place of the password,
/// `saltedpassword` may stand too, the last two in Base64.
pub(super) fn credential(text: &str) -> Result<UserScramCredentialRecord, Failed> {
    let text = text.trim();
    let Some((name, config)) = text.split_once('=') else {
        return terse(format!("Failed to find equals sign in SCRAM argument '{text}'"));
    };
    let Some(mechanism) = Mechanism::of_name(name) else {
        return terse(format!("The add-scram mechanism {name} is not supported."));
    };
    let Some(config) = config.strip_prefix('[') else {
        return terse("Expected configuration string to start with [");
    };
    let Some(config) = config.strip_suffix(']') else {
        return terse("Expected configuration string to end with ]");
    };
    let mut parts = components(config)?;
    let Some(user) = parts.remove("name") else { return terse("You must supply 'name' to add-scram") };
    let salt = match parts.remove("salt") {
        Some(text) => Some(decoded(&text, "salt")?),
        None => None,
    };
    let iterations = match parts.remove("iterations").map(|text| text.parse::<i32>().map_err(|_| text)) {
        None => ITERATIONS_DEFAULT,
        Some(Ok(iterations)) => iterations,
        Some(Err(text)) => return terse(format!("Failed to parse iterations count: {text}")),
    };
    let secret = match (parts.remove("password"), parts.remove("saltedpassword")) {
        (Some(password), _) if password.is_empty() => return Err(Thrown::illegal("Empty key").into()),
        (Some(password), _) => Secret::Password(password),
        (None, None) => return terse("You must supply one of 'password' or 'saltedpassword' to add-scram"),
        (None, Some(_)) if salt.is_none() => {
            return terse("You must supply 'salt' with 'saltedpassword' to add-scram");
        }
        (None, Some(text)) => Secret::Salted(decoded(&text, "saltedPassword")?),
    };
    if !parts.is_empty() {
        let unknown: Vec<&str> = parts.keys().map(String::as_str).collect();
        return terse(format!("Unknown SCRAM configurations: {}", unknown.join(", ")));
    }
    let using = mechanism.name().replace('-', "_");
    if iterations < ITERATIONS_MIN {
        return terse(format!("The 'iterations' value must be >= {ITERATIONS_MIN} for add-scram using {using}"));
    }
    if iterations > ITERATIONS_MAX {
        return terse(format!("The 'iterations' value must be <= {ITERATIONS_MAX} for add-scram using {using}"));
    }
    let salt = salt.unwrap_or_else(|| Uuid::new_v4().into_bytes().to_vec());
    let salted = match secret {
        Secret::Salted(salted) => salted,
        Secret::Password(password) => mechanism.salted_password(password.as_bytes(), &salt, iterations),
    };
    if salted.is_empty() {
        return Err(Thrown::illegal("Empty key").into());
    }
    let keys = mechanism.keys(&salted);
    Ok(UserScramCredentialRecord {
        name: user,
        mechanism: mechanism.number(),
        salt: salt.into(),
        stored_key: keys.stored.into(),
        server_key: keys.server.into(),
        iterations,
    })
}

enum Secret {
    Password(String),
    Salted(Vec<u8>),
}

fn components(config: &str) -> Result<BTreeMap<String, String>, Failed> {
    let mut parts: Vec<&str> = config.split(',').collect();
    // Java's split leaves out what is empty at the end, but something of nothing.
    while !config.is_empty() && parts.last().is_some_and(|part| part.is_empty()) {
        parts.pop();
    }
    let mut components = BTreeMap::new();
    for part in parts {
        let Some((key, value)) = part.split_once('=') else {
            return terse(format!("No equals sign found in SCRAM component: {part}"));
        };
        let quoted = value.strip_prefix('"').and_then(|rest| rest.strip_suffix('"'));
        components.insert(key.to_owned(), quoted.unwrap_or(value).to_owned());
    }
    Ok(components)
}

fn decoded(text: &str, what: &str) -> Result<Vec<u8>, Failed> {
    decode(text, Alphabet::Basic).or_else(|_| terse(format!("Failed to decode given {what}: {text}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> String {
        match credential(text) {
            Ok(record) => format!("{record:?}"),
            Err(Failed::Terse(sentence)) => sentence,
            Err(Failed::Thrown(thrown)) => thrown.to_string(),
        }
    }

    /// The salt and password of RFC 7677's example, whose keys are known.
    #[test]
    fn a_password_and_its_salted_form_give_the_same_credential() {
        let salt = "salt=W22ZaJ0SNY7soEsUEjb6gQ==";
        let by_password = refused(&format!("SCRAM-SHA-256=[name=user,{salt},password=\"pencil\"]"));
        let salted = "saltedpassword=xKSVEDI6tPlSysH6mUQZOeeOp01r6B3fcJbodRPcYV0=";
        let by_salted = refused(&format!(" SCRAM-SHA-256=[name=user,{salt},{salted},]"));
        assert_eq!(by_password, by_salted);
        assert!(by_password.contains("iterations: 4096"), "{by_password}");
    }

    #[test]
    fn what_is_no_credential_is_refused_in_kafkas_words() {
        for (text, why) in [
            ("SCRAM-SHA-256", "Failed to find equals sign in SCRAM argument 'SCRAM-SHA-256'"),
            ("SCRAM-SHA-1=[name=a,password=b]", "The add-scram mechanism SCRAM-SHA-1 is not supported."),
            ("SCRAM-SHA-256=name=a", "Expected configuration string to start with ["),
            ("SCRAM-SHA-256=[name=a", "Expected configuration string to end with ]"),
            ("SCRAM-SHA-256=[name]", "No equals sign found in SCRAM component: name"),
            ("SCRAM-SHA-256=[password=b]", "You must supply 'name' to add-scram"),
            ("SCRAM-SHA-256=[name=a]", "You must supply one of 'password' or 'saltedpassword' to add-scram"),
            ("SCRAM-SHA-256=[name=a,saltedpassword=YQ==]", "You must supply 'salt' with 'saltedpassword' to add-scram"),
            ("SCRAM-SHA-256=[name=a,password=b,salt=!]", "Failed to decode given salt: !"),
            ("SCRAM-SHA-256=[name=a,password=b,iterations=x]", "Failed to parse iterations count: x"),
            ("SCRAM-SHA-256=[name=a,password=b,z=1,y=2]", "Unknown SCRAM configurations: y, z"),
            (
                "SCRAM-SHA-512=[name=a,password=b,iterations=16385]",
                "The 'iterations' value must be <= 16384 for add-scram using SCRAM_SHA_512",
            ),
        ] {
            assert_eq!(refused(text), why);
        }
    }
}
