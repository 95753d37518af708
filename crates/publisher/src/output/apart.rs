//! Peers that are served by a task of their own and not by the fan-out, for what is between us and their sockets has a state of
//! its own: pushes, and viewers over TLS.

mod outbox;
mod player;
mod reader;

use fanout::{How, Pieces};

pub(crate) use outbox::Outbox;
pub(crate) use player::Player;
pub(crate) use reader::{Reader, until_next};

/// The form in which a peer gets a carrier's items.
pub(crate) trait Form<T> {
    /// Appends the wire form of an item, the same bytes whenever it is asked.
    fn frame<'i>(&self, item: &'i T, how: How, out: &mut Pieces<'i>);
}

impl<V: fanout::Viewer> Form<V::Item> for V {
    fn frame<'i>(&self, item: &'i V::Item, how: How, out: &mut Pieces<'i>) {
        fanout::Viewer::frame(self, item, how, out);
    }
}
