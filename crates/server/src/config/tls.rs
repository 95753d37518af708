//! The section `tls`: what our listeners show that speak TLS.

use std::path::PathBuf;

use publisher::Error;
use publisher::config::Tls;

use super::read::Section;

/// What the file of `cert` must have.
const CERT: &str = "name a certificate in PEM, with those behind it that signed it";
/// What the file of `key` must have.
const KEY: &str = "name its private key in PEM, not encrypted";

/// Reads `tls`, and the files that it names: what could not be shown is a fault now and not when somebody connects.
pub(super) fn tls(mut section: Section<'_>) -> Option<Tls> {
    let (cert_item, key_item) = (section.item("cert"), section.item("key"));
    section.close();
    let (cert_item, key_item) = match (cert_item, key_item) {
        (Some(cert), Some(key)) => (cert, key),
        (Some(cert), None) => {
            cert.wrong(&format!("tls.key is missing; {KEY}"));
            return None;
        }
        (None, Some(key)) => {
            key.wrong(&format!("tls.cert is missing; {CERT}"));
            return None;
        }
        (None, None) => return None,
    };
    let (cert, key) = (cert_item.text(), key_item.text());
    let files = Tls { cert: PathBuf::from(cert?), key: PathBuf::from(key?) };
    match files.check() {
        Ok(()) => Some(files),
        Err(Error::Certificate { setting: "tls.key", reason, .. }) => {
            key_item.wrong(&format!("{reason}; {KEY}"));
            None
        }
        Err(Error::Certificate { reason, .. }) => {
            cert_item.wrong(&format!("{reason}; {CERT}"));
            None
        }
        Err(error) => {
            cert_item.wrong(&error.to_string());
            None
        }
    }
}
