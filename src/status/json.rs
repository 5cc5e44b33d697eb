//! What is known of the fleet, for programs. docs/reference.md tells what each field means.

use serde_json::{Value, json};

use super::look::{Look, Told};
use super::wanted::Wants;
use super::{Picture, Row, words};
use crate::error::parts;
use crate::host::glance::Missed;

pub fn value(picture: &Picture) -> Value {
    let rows = picture.rows.iter();
    rows.filter_map(|row| host(row, picture.wanted.of(&row.host.name)))
        .collect()
}

fn host(row: &Row, wants: Option<&Wants>) -> Option<Value> {
    let look = row.look.as_ref()?;
    let mut value = match look {
        Look::Told(told) => of_told(row, told, wants),
        Look::Missed(Missed { error, .. }) | Look::Unpinned { error, .. } => {
            let (what, causes, hints) = parts(error);
            json!({ "host": row.host.name, "reached": false, "error": what, "causes": causes, "hints": hints })
        }
    };
    value["pinned"] = json!(!matches!(look, Look::Unpinned { .. }));
    value["secrets"] = json!(wants.map(|wants| wants.secrets));
    value["unreadableSecrets"] = json!(wants.and_then(|wants| wants.unreadable.as_ref()));
    Some(value)
}

fn of_told(row: &Row, told: &Told, wants: Option<&Wants>) -> Value {
    let status = &told.status;
    let last = status.last.as_ref();
    json!({
        "host": row.host.name,
        "reached": true,
        "current": status.current,
        "profile": status.profile,
        "bootEntry": status.boot_entry,
        "booted": status.booted,
        "built": wants.and_then(|wants| wants.built.as_ref()),
        "pending": last.filter(|last| last.is_pending()).map(|last| json!({
            "attempt": last.id,
            "mode": last.mode,
            "toplevel": last.toplevel,
            "state": words::waits(row.host, last),
        })),
        "last": last.and_then(words::ended),
        "failedUnits": status.failed,
        "failingChecks": told.failing,
        "freeBytes": status.free,
        "memoryBytes": status.memory,
        "memoryAvailableBytes": status.memory_available,
        "uptimeSeconds": status.uptime.as_secs(),
        "millidegrees": status.heat,
        "throttled": status.throttled.map(|throttled| json!({
            "now": throttled.now(),
            "sinceBoot": throttled.since_boot(),
        })),
        "nameConflict": told.conflict,
    })
}
