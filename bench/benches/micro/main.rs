//! What single parts cost, without a network: `cargo bench -p rillcast-bench`, with a name behind `--` for one of them.

mod fan_out;
mod mux;
mod playlist;
mod ring;

use criterion::Criterion;

fn main() {
    let mut criterion = Criterion::default().configure_from_args();
    fan_out::bench(&mut criterion);
    mux::bench(&mut criterion);
    playlist::bench(&mut criterion);
    ring::bench(&mut criterion);
    criterion.final_summary();
}
