//! Who may use the API, the page and the metrics: whoever has a token, and where there are none a browser on this machine.

use std::sync::{Arc, PoisonError, RwLock};

use axum::http::Method;

pub(crate) mod token;

pub(crate) use token::{Hash, Token};

/// What somebody may do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Role {
    /// Everything.
    Admin,
    /// Look, and change nothing.
    Viewer,
}

impl Role {
    /// From its name in the file.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        match name {
            "admin" => Some(Self::Admin),
            "viewer" => Some(Self::Viewer),
            _ => None,
        }
    }

    /// Its name in the file.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Admin => "admin",
            Self::Viewer => "viewer",
        }
    }

    /// Whether it may send such a request. What looks changes nothing, by RFC 9110 9.2.1.
    fn may(self, method: &Method) -> bool {
        self == Self::Admin || method.is_safe()
    }
}

/// What the section `api` says.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Settings {
    /// Who is let in; none: this machine alone, which needs no token then.
    pub(crate) tokens: Vec<Token>,
    /// With tokens: this machine needs none all the same.
    pub(crate) loopback_without_token: bool,
}

/// Why a request is not served.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Refused {
    /// It does not come from this machine, for this reason, and there are no tokens.
    Elsewhere(&'static str),
    /// It has no token.
    NoToken,
    /// It has one that is none.
    WrongToken,
    /// Its token is for looking.
    Role,
}

/// Who may do what, as it is now.
#[derive(Debug, Default)]
pub(crate) struct Access(RwLock<Arc<Settings>>);

impl Access {
    /// With these settings.
    pub(crate) fn new(settings: Settings) -> Self {
        Self(RwLock::new(Arc::new(settings)))
    }

    /// Replaces the settings: the next request is judged by them.
    pub(crate) fn set(&self, settings: Settings) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(settings);
    }

    /// Whether anybody needs a token.
    pub(crate) fn has_tokens(&self) -> bool {
        !self.settings().tokens.is_empty()
    }

    /// Judges a request: its method, the header Authorization, and why it is none of a browser on this machine, if so.
    ///
    /// # Errors
    /// Why it is not served.
    pub(crate) fn judge(
        &self,
        method: &Method,
        authorization: Option<&[u8]>,
        elsewhere: Option<&'static str>,
    ) -> Result<Role, Refused> {
        let settings = self.settings();
        if settings.tokens.is_empty() {
            return elsewhere.map_or(Ok(Role::Admin), |why| Err(Refused::Elsewhere(why)));
        }
        let Some(given) = authorization else {
            let local = settings.loopback_without_token && elsewhere.is_none();
            return if local { Ok(Role::Admin) } else { Err(Refused::NoToken) };
        };
        let role = bearer(given).and_then(|given| token::role_of(&settings.tokens, given));
        let role = role.ok_or(Refused::WrongToken)?;
        if role.may(method) { Ok(role) } else { Err(Refused::Role) }
    }

    fn settings(&self) -> Arc<Settings> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The token in a header `Authorization: Bearer …` (RFC 6750 2.1); the scheme's name may be written in any case.
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, token) = header.split_at_checked(7)?;
    scheme.eq_ignore_ascii_case(b"bearer ").then(|| token.trim_ascii())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn access(loopback_without_token: bool) -> (Access, [String; 2]) {
        let made = [(); 2].map(|()| token::make().expect("chance"));
        let tokens = made.iter().zip([Role::Admin, Role::Viewer]).map(|((_, hash), role)| Token {
            name: role.name().to_owned(),
            hash: *hash,
            role,
        });
        let settings = Settings { tokens: tokens.collect(), loopback_without_token };
        (Access::new(settings), made.map(|(text, _)| format!("Bearer {text}")))
    }

    #[test]
    fn without_tokens_this_machine_may_do_everything_and_nobody_else_anything() {
        let access = Access::default();
        assert_eq!(access.judge(&Method::DELETE, None, None), Ok(Role::Admin));
        assert_eq!(
            access.judge(&Method::GET, Some(b"Bearer x"), Some("far")),
            Err(Refused::Elsewhere("far"))
        );
    }

    #[test]
    fn with_tokens_everybody_needs_one_and_it_says_what_may_be_done() {
        let (access, [admin, viewer]) = access(false);
        let judge = |method: &Method, text: Option<&str>| access.judge(method, text.map(str::as_bytes), None);
        assert_eq!(judge(&Method::GET, None), Err(Refused::NoToken));
        assert_eq!(judge(&Method::PUT, Some(&admin)), Ok(Role::Admin));
        assert_eq!(judge(&Method::PUT, Some(&admin.replace("Bearer ", "bearer   "))), Ok(Role::Admin));
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert_eq!(judge(&method, Some(&viewer)), Ok(Role::Viewer));
        }
        for method in [Method::PUT, Method::POST, Method::PATCH, Method::DELETE] {
            assert_eq!(judge(&method, Some(&viewer)), Err(Refused::Role));
        }
        for wrong in [&admin[..admin.len() - 1], "Bearer ", "Basic eDp5", "", &admin.replace("Bearer ", "")] {
            assert_eq!(judge(&Method::GET, Some(wrong)), Err(Refused::WrongToken), "{wrong}");
        }
    }

    #[test]
    fn this_machine_may_be_spared_the_token_and_a_wrong_one_stays_wrong() {
        let (access, _) = access(true);
        assert_eq!(access.judge(&Method::PUT, None, None), Ok(Role::Admin));
        assert_eq!(access.judge(&Method::PUT, None, Some("far")), Err(Refused::NoToken));
        assert_eq!(access.judge(&Method::GET, Some(b"Bearer x"), None), Err(Refused::WrongToken));
    }
}
