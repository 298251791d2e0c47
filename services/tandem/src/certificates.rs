//! Files of certificates: read, checked, and looked at again while a gateway runs.
//!
//! Whoever renews a certificate writes two files, one after the other, and each perhaps in pieces. So
//! what has changed is taken up once two looks in a row have seen the same: half a renewal is no error.

use std::fs::File;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tandem_gateway::{Gateway, ServerCertificate, Tls};
use tokio::sync::watch;

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Largest file, in bytes.
const FILE_BYTES_MAX: u64 = 256 * 1024;
/// What nobody may do with a key but its owner, and its group, which may read.
const FORBIDDEN_BITS: u32 = 0o027;
/// Names of the files in a folder.
const IN_FOLDER: (&str, &str) = ("tls.crt", "tls.key");

/// Where certificates and their keys are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateFiles(Vec<(PathBuf, PathBuf)>);

/// What stands in them.
#[derive(Clone, PartialEq, Eq)]
pub struct Contents(Vec<(Vec<u8>, Vec<u8>)>);

/// Certificates that can be shown: the first, and more.
pub type Certificates = (ServerCertificate, Vec<ServerCertificate>);

impl CertificateFiles {
    /// A certificate and its key, and folders of more.
    pub fn new(first: (PathBuf, PathBuf), folders: Vec<PathBuf>) -> Self {
        let more = folders.iter().map(|folder| (folder.join(IN_FOLDER.0), folder.join(IN_FOLDER.1)));
        Self(std::iter::once(first).chain(more).collect())
    }

    /// Reads all of them.
    ///
    /// # Errors
    ///
    /// When one can't be read, is too large, or is a key that stands open to others.
    pub fn read(&self) -> Result<Contents, String> {
        let pairs = self.0.iter().map(|(certificate, key)| Ok((read(certificate, false)?, read(key, true)?)));
        pairs.collect::<Result<_, _>>().map(Contents)
    }
}

impl Contents {
    /// What they hold; `files` are for the error.
    ///
    /// # Errors
    ///
    /// When one of them is wrong, or a key does not belong to its certificate.
    pub fn parse(&self, files: &CertificateFiles) -> Result<Certificates, String> {
        let pairs = self.0.iter().zip(&files.0).map(|((certificate, key), (file, _))| {
            ServerCertificate::from_pem(certificate, key)
                .map_err(|error| format!("{}: {error}", file.display()))
        });
        let mut all: Vec<ServerCertificate> = pairs.collect::<Result<_, _>>()?;
        match all.is_empty() {
            true => Err("there is no certificate".to_owned()),
            false => Ok((all.remove(0), all)),
        }
    }
}

fn read(path: &Path, is_key: bool) -> Result<Vec<u8>, String> {
    let wrong = |error: std::io::Error| format!("{} can't be read: {error}", path.display());
    let file = File::open(path).map_err(wrong)?;
    let mode = file.metadata().map_err(wrong)?.permissions().mode();
    if is_key && mode & FORBIDDEN_BITS != 0 {
        return Err(format!(
            "{} is open to others (mode {:o}), and whoever reads it can pretend to be this server: `chmod 600` it",
            path.display(),
            mode & 0o777
        ));
    }
    let mut content = Vec::new();
    file.take(FILE_BYTES_MAX + 1).read_to_end(&mut content).map_err(wrong)?;
    match content.len() as u64 > FILE_BYTES_MAX {
        true => Err(format!("{} has more than {FILE_BYTES_MAX} bytes", path.display())),
        false => Ok(content),
    }
}

/// Something that is looked at again and again: what was seen last, and what was taken up last.
pub(crate) struct Settling<T> {
    taken: T,
    seen: Option<T>,
}

impl<T: PartialEq + Clone> Settling<T> {
    pub(crate) fn new(taken: T) -> Self {
        Self { taken, seen: None }
    }

    /// Whether to take up what is seen now: it is new, and not just being written.
    pub(crate) fn is_due(&mut self, now: &T) -> bool {
        let is_settled = self.seen.as_ref() == Some(now);
        self.seen = Some(now.clone());
        if *now == self.taken || !is_settled {
            return false;
        }
        self.taken = now.clone();
        true
    }

    /// It is taken up, due or not.
    pub(crate) fn take(&mut self, now: T) {
        self.taken = now;
    }
}

/// Shows the certificates of a gateway as their files have them, as long as it is polled. `files` may
/// change meanwhile; whoever changes them has shown what is in the new ones.
pub(crate) async fn follow_certificates(
    gateway: Gateway,
    tls: Arc<Tls>,
    mut files: watch::Receiver<CertificateFiles>,
) {
    loop {
        let now = files.borrow_and_update().clone();
        tokio::select! {
            () = follow(&gateway, &tls, now) => {}
            changed = files.changed() => if changed.is_err() { return },
        }
    }
}

async fn follow(gateway: &Gateway, tls: &Tls, files: CertificateFiles) {
    let mut settling = Settling::new(files.read());
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let looking = files.clone();
        // A panic there is one look less.
        let Ok(read) = tokio::task::spawn_blocking(move || looking.read()).await else { continue };
        if !settling.is_due(&read) {
            continue;
        }
        match read.and_then(|read| read.parse(&files)) {
            Ok((first, more)) => {
                let count = 1 + more.len();
                tls.replace(first, more);
                gateway.note_certificates(true);
                tracing::info!(certificates = count, "other certificates are shown to new connections");
            }
            Err(error) => {
                gateway.note_certificates(false);
                tracing::error!(error, "the certificates can't be used: those before are still shown");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_written_is_not_taken_up() {
        let mut settling = Settling::new(1);
        assert!(!settling.is_due(&1) && !settling.is_due(&2), "half of it");
        assert!(!settling.is_due(&3), "and now all");
        assert!(settling.is_due(&3) && !settling.is_due(&3));
        assert!(!settling.is_due(&1) && settling.is_due(&1), "back again");
        settling.take(5);
        assert!(!settling.is_due(&5) && !settling.is_due(&5));
    }

    #[test]
    fn files_are_read_or_refused_with_a_reason() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let files = CertificateFiles::new((path("a.pem"), path("a.key")), vec![path("b")]);
        let error = || files.read().and_then(|read| read.parse(&files)).err().unwrap_or_default();
        assert!(error().contains("a.pem can't be read"), "{}", error());
        let write = |name: &str, made: &rcgen::CertifiedKey<rcgen::KeyPair>| {
            std::fs::write(path(&format!("{name}.pem")), made.cert.pem()).unwrap();
            let key = path(&format!("{name}.key"));
            std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
            std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
        };
        let made = |name: &str| rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
        let (a, b) = (made("a"), made("b"));
        write("a", &a);
        std::fs::create_dir(path("b")).unwrap();
        assert!(error().contains("b/tls.crt can't be read"), "{}", error());
        write("b", &b);
        std::fs::rename(path("b.pem"), path("b/tls.crt")).unwrap();
        std::fs::rename(path("b.key"), path("b/tls.key")).unwrap();
        assert_eq!(error(), "");
        std::fs::copy(path("a.key"), path("b/tls.key")).unwrap();
        assert!(error().contains("b/tls.crt: the key does not belong"), "{}", error());
        std::fs::set_permissions(path("a.key"), std::fs::Permissions::from_mode(0o604)).unwrap();
        assert!(error().contains("chmod 600"), "{}", error());
    }
}
