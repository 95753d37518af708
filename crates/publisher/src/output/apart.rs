//! Peers that are served by a task of their own and not by the fan-out, for what is between us and their sockets has a state of
//! its own: pushes, and viewers over TLS.

mod outbox;
mod player;
mod reader;

use std::io;

use bytes::BytesMut;
use fanout::{How, Pieces};

pub(crate) use outbox::Outbox;
pub(crate) use player::Player;
pub(crate) use reader::{Reader, until_next};

use crate::line::Line;

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

/// Reads what there is, once there is something; room for so many bytes is made no sooner. Meanwhile serves a player whom nobody
/// else does.
pub(crate) async fn read<V: fanout::Viewer>(
    line: &mut Line,
    player: Option<&mut Player<V>>,
    input: &mut BytesMut,
    room: usize,
) -> io::Result<usize> {
    match (line, player) {
        // In a box, as it needs much, and few have it.
        (Line::Tls(wire), Some(player)) => Box::pin(player.turn(wire, input)).await,
        (line, _) => line.read(input, room).await,
    }
}
