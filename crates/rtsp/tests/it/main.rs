//! The session against what real clients say, and against what none should.

mod dialogues;
mod hostile;
mod owner;
mod rules;
mod timers;
