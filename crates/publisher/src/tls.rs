//! What our TLS listeners show: a certificate and its key, from files that may be renewed while they serve.
//!
//! The files are looked at each second, so that what is wrong with new ones is told when they come and not when the next
//! peer does. Connections that exist stay as they are.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::crypto::aws_lc_rs;
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::{InconsistentKeys, ServerConfig};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use crate::config::Tls;
use crate::error::Error;
use crate::wire::{Counted, Wire};

/// How often the files are looked at.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The settings that name the files.
const CERT: &str = "tls.cert";
const KEY: &str = "tls.key";

impl Tls {
    /// Reads both files and finds out whether they can be used.
    ///
    /// # Errors
    /// [`Error::Certificate`] with the setting, the file and what is wrong; never with anything that is in the files.
    pub fn check(&self) -> Result<(), Error> {
        read(self).map(|_| ())
    }
}

/// A certificate, kept as new as its files.
pub(crate) struct Certificates {
    files: Tls,
    state: Mutex<State>,
}

struct State {
    config: Arc<ServerConfig>,
    /// The files that it is from.
    loaded: Stamps,
    /// The files as they were when they could not be used, and whether that was told.
    refused: Option<(Stamps, bool)>,
}

/// Tells two states of a file apart; none: there is no such file.
type Stamp = Option<(u64, u64, u64, i64, i64, i64, i64)>;
/// Those of certificate and key.
type Stamps = [Stamp; 2];

/// What a look at the files found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Look {
    /// Nothing new.
    Same,
    /// Other files, which new connections get from now on.
    Renewed,
    /// Other files that cannot be used, or not yet: one of two may have been written so far.
    Unfit,
    /// They still cannot be used, which was told now.
    Told,
}

impl Certificates {
    /// # Errors
    /// As [`Tls::check`].
    pub(crate) fn load(files: Tls) -> Result<Self, Error> {
        // Before they are read: what is changed meanwhile is seen by the next look.
        let loaded = stamps(&files);
        let state = State { config: read(&files)?, loaded, refused: None };
        Ok(Self { files, state: Mutex::new(state) })
    }

    /// TLS with a peer that has connected.
    ///
    /// # Errors
    /// The connection failed, or the handshake.
    pub(crate) async fn accept(&self, socket: TcpStream) -> io::Result<Wire> {
        let config = Arc::clone(&self.state().config);
        TlsAcceptor::from(config).accept(Counted::new(socket)).await.map(Wire::tls)
    }

    /// Takes over new files, for ever.
    pub(crate) async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            let this = Arc::clone(&self);
            // Files may be anywhere, and a disk may take its time. Where a look panics the certificate stays.
            let _ = tokio::task::spawn_blocking(move || this.look()).await;
        }
    }

    fn look(&self) -> Look {
        let found = stamps(&self.files);
        let mut state = self.state();
        if state.loaded == found {
            state.refused = None;
            return Look::Same;
        }
        let again = match state.refused {
            Some((stamps, true)) if stamps == found => return Look::Same,
            Some((stamps, false)) => stamps == found,
            _ => false,
        };
        let cert = self.files.cert.display();
        match read(&self.files) {
            Ok(config) => {
                *state = State { config, loaded: found, refused: None };
                tracing::info!(%cert, "new TLS certificate taken over");
                Look::Renewed
            }
            Err(error) => {
                state.refused = Some((found, again));
                if again {
                    tracing::error!(%error, "the new TLS certificate cannot be used, the one before stays");
                }
                if again { Look::Told } else { Look::Unfit }
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Why a handshake failed, for people.
pub(crate) fn failure(error: &io::Error) -> String {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    match cause {
        Some(rustls::Error::InvalidMessage(_)) => "the peer does not speak TLS".to_owned(),
        _ => format!("the handshake of TLS failed: {error}"),
    }
}

fn stamps(files: &Tls) -> Stamps {
    [&files.cert, &files.key].map(|path| {
        let data = std::fs::metadata(path).ok()?;
        let (mtime, ctime) = ((data.mtime(), data.mtime_nsec()), (data.ctime(), data.ctime_nsec()));
        Some((data.dev(), data.ino(), data.size(), mtime.0, mtime.1, ctime.0, ctime.1))
    })
}

fn read(files: &Tls) -> Result<Arc<ServerConfig>, Error> {
    let of_cert = |why: String| wrong(CERT, &files.cert, why);
    let of_key = |why: String| wrong(KEY, &files.key, why);
    let chain: Result<Vec<_>, _> = CertificateDer::pem_file_iter(&files.cert).and_then(Iterator::collect);
    let chain = chain.map_err(|error| of_cert(unread(&error, "certificate")))?;
    if chain.is_empty() {
        return Err(of_cert(unread(&pem::Error::NoItemsFound, "certificate")));
    }
    let key = PrivateKeyDer::from_pem_file(&files.key);
    let key = key.map_err(|error| of_key(unread(&error, "private key that is not encrypted")))?;
    let provider = Arc::new(aws_lc_rs::default_provider());
    let certified = CertifiedKey::from_der(chain, key, &provider).map_err(|error| match error {
        rustls::Error::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
            let cert = files.cert.display();
            of_key(format!("the key does not belong to the first certificate in {CERT} ({cert})"))
        }
        rustls::Error::InvalidCertificate(why) => of_cert(format!("the first certificate is damaged: {why}")),
        _ => {
            of_key("the key is of no kind that TLS takes here: RSA from 2048 bits, ECDSA, Ed25519".to_owned())
        }
    })?;
    let builder = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
    let builder = builder.map_err(|error| of_cert(format!("TLS cannot be used: {error}")))?;
    let resolver = Arc::new(SingleCertAndKey::from(certified));
    Ok(Arc::new(builder.with_no_client_auth().with_cert_resolver(resolver)))
}

fn wrong(setting: &'static str, path: &Path, reason: String) -> Error {
    Error::Certificate { setting, path: path.to_owned(), reason }
}

/// Why nothing was found in a file. The library's own words may repeat lines of it, and those may be of a key.
fn unread(error: &pem::Error, what: &str) -> String {
    match error {
        pem::Error::Io(error) => format!("cannot be read: {error}"),
        pem::Error::NoItemsFound => format!("there is no {what} in PEM in it"),
        _ => "it is damaged: a section of PEM begins or ends wrongly, or holds what is no base64".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder that goes with the test.
    struct Folder(std::path::PathBuf);

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir_all(&self.0);
        }
    }

    impl Folder {
        fn new(name: &str) -> Self {
            let dir = std::env::temp_dir().join(format!("rillcast-tls-{name}-{}", std::process::id()));
            let _ = std::fs::remove_dir_all(&dir);
            std::fs::create_dir_all(&dir).expect("a folder");
            Self(dir)
        }

        fn files(&self) -> Tls {
            Tls { cert: self.0.join("cert.pem"), key: self.0.join("key.pem") }
        }

        fn write(&self, cert: &str, key: &str) -> Tls {
            let files = self.files();
            std::fs::write(&files.cert, cert).expect("written");
            std::fs::write(&files.key, key).expect("written");
            files
        }
    }

    /// A certificate and its key.
    fn pair() -> (String, String) {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("made");
        (made.cert.pem(), made.signing_key.serialize_pem())
    }

    fn refused(files: &Tls) -> (&'static str, String) {
        match files.check() {
            Err(Error::Certificate { setting, reason, .. }) => (setting, reason),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_is_wrong_with_files_is_told_and_never_with_what_is_in_them() {
        let folder = Folder::new("wrong");
        let ((cert, key), (other, _)) = (pair(), pair());
        let missing = "cannot be read: No such file or directory (os error 2)";
        assert_eq!(refused(&folder.files()), (CERT, missing.to_owned()));
        folder.write(&cert, &key).check().expect("a pair");
        folder.write(&format!("{cert}{other}"), &key).check().expect("with one that signed it");
        let none = "there is no certificate in PEM in it";
        assert_eq!(refused(&folder.write(&key, &cert)), (CERT, none.to_owned()));
        let none = "there is no private key that is not encrypted in PEM in it";
        assert_eq!(refused(&folder.write(&cert, "0\x02")), (KEY, none.to_owned()));
        let (setting, why) = refused(&folder.write(&other, &key));
        assert!(
            setting == KEY && why.starts_with("the key does not belong to the first certificate"),
            "{why}"
        );
        let secret = key.lines().nth(1).expect("base64");
        for damaged in [
            key.replace('\n', ""),
            key.replace(secret, &format!("{secret}!")),
            key.lines().take(2).collect::<Vec<_>>().join("\n"),
            format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", &secret[..40]),
        ] {
            let (setting, why) = refused(&folder.write(&cert, &damaged));
            assert!(setting == KEY && !why.contains(&secret[..8]), "{why}");
        }
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        let (setting, why) = refused(&folder.write(broken, &key));
        assert!(setting == CERT && why.starts_with("the first certificate is damaged"), "{why}");
    }

    #[test]
    fn new_files_are_taken_over_and_broken_ones_are_told_once_and_change_nothing() {
        let folder = Folder::new("look");
        let ((cert, key), (other, other_key)) = (pair(), pair());
        let certificates = Certificates::load(folder.write(&cert, &key)).expect("a pair");
        let now = || Arc::clone(&certificates.state().config);
        let first = now();
        assert_eq!(certificates.look(), Look::Same);
        // Half of a renewal, seen between its two writes.
        std::fs::write(folder.files().cert, &other).expect("written");
        assert_eq!(certificates.look(), Look::Unfit);
        assert!(Arc::ptr_eq(&first, &now()));
        std::fs::write(folder.files().key, &other_key).expect("written");
        assert_eq!([certificates.look(), certificates.look()], [Look::Renewed, Look::Same]);
        let second = now();
        assert!(!Arc::ptr_eq(&first, &second));
        folder.write("", &key);
        let looks = [(); 4].map(|()| certificates.look());
        assert_eq!(looks, [Look::Unfit, Look::Told, Look::Same, Look::Same]);
        std::fs::remove_file(folder.files().cert).expect("removed");
        let looks = [(); 3].map(|()| certificates.look());
        assert_eq!(looks, [Look::Unfit, Look::Told, Look::Same]);
        assert!(Arc::ptr_eq(&second, &now()));
        folder.write(&cert, &key);
        assert_eq!(certificates.look(), Look::Renewed);
    }
}
