//! The last route that a follower has seen, in a small file, so that a process which starts while
//! control is away begins with it. A memory, no truth: what can't be read is left out, and a
//! damaged one costs nothing but that.

use std::io::Write;
use std::path::Path;

use tandem_model::route::Route;

/// The remembered route, if there is a readable one.
pub(crate) fn read(path: &Path) -> Option<Route> {
    let bytes = match std::fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
        Err(error) => {
            tracing::warn!(file = %path.display(), %error, "the remembered route can't be read");
            return None;
        }
    };
    let route = serde_json::from_slice(&bytes);
    route
        .inspect_err(
            |error| tracing::warn!(file = %path.display(), %error, "the remembered route is damaged"),
        )
        .ok()
}

/// Remembers `route`: the file is the old one or the new one, whole.
pub(crate) fn write(path: &Path, route: &Route) -> std::io::Result<()> {
    let unfinished = path.with_extension("unfinished");
    let bytes = serde_json::to_vec(route).expect("a route holds only plain data");
    let mut file = std::fs::File::create(&unfinished)?;
    file.write_all(&bytes)?;
    file.sync_all()?;
    std::fs::rename(&unfinished, path)
}

#[cfg(test)]
mod tests {
    use tandem_model::route::Chain;

    use super::*;

    #[test]
    fn a_route_is_remembered_and_damage_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("route.json");
        assert_eq!(read(&path), None);
        let route = Route { active: Chain::B, epoch: 9, reason: "drill".to_owned() };
        write(&path, &route).unwrap();
        assert_eq!(read(&path), Some(route));
        std::fs::write(&path, b"{\"active\":").unwrap();
        assert_eq!(read(&path), None);
    }
}
