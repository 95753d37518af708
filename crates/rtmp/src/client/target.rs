//! Where to publish to, and how far the proof of who we are has come.

use super::Url;
use super::auth::{self, Verdict};

/// Redirects that are followed before somebody goes round in circles.
const MAX_REDIRECTS: u8 = 5;

/// Where a session is to publish to. The first is made of a URL; [`Event::Again`](super::Event::Again) and
/// [`Event::Redirect`](super::Event::Redirect) bring others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    url: Url,
    proof: Proof,
    redirects: u8,
}

/// What the query of the application says of the user. Not shown.
#[derive(Clone, PartialEq, Eq, Default)]
struct Proof(Option<String>);

impl std::fmt::Debug for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.0.is_some() { "Some" } else { "None" })
    }
}

impl Target {
    /// Before the first connection.
    pub fn new(url: Url) -> Self {
        Self { url, proof: Proof::default(), redirects: 0 }
    }

    /// The address to connect to.
    pub fn url(&self) -> &Url {
        &self.url
    }

    /// `app` and `tcUrl` of `connect`.
    pub(super) fn names(&self) -> (String, String) {
        let with = |text: String| match &self.proof.0 {
            None => text,
            Some(proof) => format!("{text}{}{proof}", if text.contains('?') { '&' } else { '?' }),
        };
        (with(self.url.app().to_owned()), with(self.url.tc_url()))
    }

    /// What follows from a refused `connect`: another try, an end with a sentence, or nothing, if it was not about the
    /// proof.
    pub(super) fn judge(&self, description: &str, nonce: &str) -> Option<Result<Self, &'static str>> {
        let (url, asked) = (&self.url, self.proof.0.as_deref());
        match auth::judge(description, url.credentials(), url.app(), asked, nonce) {
            Verdict::Silent => None,
            Verdict::Answer(proof) => Some(Ok(Self { proof: Proof(Some(proof)), ..self.clone() })),
            Verdict::Refused(why) => Some(Err(why)),
        }
    }

    /// Where a server sends us; none if it makes no sense, see [`Url`], or was done too often.
    pub(super) fn redirect(&self, target: &str) -> Option<Self> {
        let redirects = self.redirects + 1;
        let url = self.url.redirect(target)?;
        (redirects <= MAX_REDIRECTS).then_some(Self { url, proof: Proof::default(), redirects })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn redirects_come_to_an_end() {
        let mut target = Target::new(Url::parse("rtmp://host/live/key").unwrap());
        for _ in 0..MAX_REDIRECTS {
            target = target.redirect("rtmp://host/live").unwrap();
        }
        assert_eq!(target.redirect("rtmp://host/live"), None);
    }

    #[test]
    fn the_proof_joins_a_query_that_is_there_and_is_not_shown() {
        let target = Target::new(Url::parse("rtmp://u:p@host/live?a=b/key").unwrap());
        let next = target.judge("code=403 need auth; authmod=adobe", "0").unwrap().unwrap();
        let (app, tc_url) = next.names();
        assert_eq!(app, "live?a=b&authmod=adobe&user=u");
        assert_eq!(tc_url, "rtmp://host/live?a=b&authmod=adobe&user=u");
        assert!(!format!("{next:?}").contains("authmod"));
        assert_eq!(target.names().0, "live?a=b");
    }
}
