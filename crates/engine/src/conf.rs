//! A session's settings, `spark.conf`: text by key, and the few of them that the engine itself reads.

use std::collections::BTreeMap;

use parking_lot::RwLock;

/// Which release of Spark a session behaves as: the one its client belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SparkVersion {
    /// 3 or 4.
    pub major: u16,
    /// The number behind the first point.
    pub minor: u16,
}

impl SparkVersion {
    /// Spark 3.5, the oldest one whose clients speak Spark Connect in full.
    pub const V3_5: Self = Self { major: 3, minor: 5 };
}

/// Settings of one session.
#[derive(Debug)]
pub struct Conf {
    values: RwLock<BTreeMap<String, String>>,
    version: RwLock<SparkVersion>,
}

impl Default for Conf {
    fn default() -> Self {
        Self { values: RwLock::default(), version: RwLock::new(SparkVersion::V3_5) }
    }
}

impl Clone for Conf {
    fn clone(&self) -> Self {
        Self { values: RwLock::new(self.values.read().clone()), version: RwLock::new(*self.version.read()) }
    }
}

impl Conf {
    /// The value that was set, if one was; defaults are the caller's matter.
    pub fn get(&self, key: &str) -> Option<String> {
        self.values.read().get(key).cloned()
    }

    /// Sets a value.
    pub fn set(&self, key: impl Into<String>, value: impl Into<String>) {
        self.values.write().insert(key.into(), value.into());
    }

    /// Forgets a value.
    pub fn unset(&self, key: &str) {
        self.values.write().remove(key);
    }

    /// Everything that was set, by key.
    pub fn all(&self) -> BTreeMap<String, String> {
        self.values.read().clone()
    }

    /// Which release the session behaves as.
    pub fn version(&self) -> SparkVersion {
        *self.version.read()
    }

    /// Says which release the client belongs to.
    pub fn set_version(&self, version: SparkVersion) {
        *self.version.write() = version;
    }

    /// A setting that is true or false.
    pub fn bool(&self, key: &str, default: bool) -> bool {
        self.get(key).map_or(default, |text| text.trim().eq_ignore_ascii_case("true"))
    }

    /// Whether wrong values are errors (Spark 4's default) or null (Spark 3's).
    pub fn ansi(&self) -> bool {
        self.bool("spark.sql.ansi.enabled", self.version().major >= 4)
    }

    /// Whether names are compared with regard to case.
    pub fn case_sensitive(&self) -> bool {
        self.bool("spark.sql.caseSensitive", false)
    }

    /// The session's time zone as it was set, else that of the machine.
    pub fn time_zone_name(&self) -> String {
        self.get("spark.sql.session.timeZone").unwrap_or_else(machine_time_zone)
    }

    /// The format of reads and writes that name none.
    pub fn default_format(&self) -> String {
        self.get("spark.sql.sources.default").unwrap_or_else(|| "parquet".to_owned())
    }
}

/// The machine's zone by name: `TZ`, else where `/etc/localtime` points to, else UTC.
pub fn machine_time_zone() -> String {
    let known = |name: &str| name.parse::<chrono_tz::Tz>().is_ok();
    if let Ok(name) = std::env::var("TZ")
        && known(&name)
    {
        return name;
    }
    std::fs::read_link("/etc/localtime")
        .ok()
        .and_then(|path| Some(path.to_str()?.split_once("zoneinfo/")?.1.to_owned()))
        .filter(|name| known(name))
        .unwrap_or_else(|| "UTC".to_owned())
}
