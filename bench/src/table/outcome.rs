//! What comes of all the runs.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::{Map, Value};

use super::machine::Machine;
use super::options::Options;
use super::workload::Workload;
use crate::stats::{Spread, rounded};

/// The result.
#[derive(Debug, Serialize)]
pub(super) struct Outcome {
    pub(super) machine: Machine,
    pub(super) runs: usize,
    pub(super) secs: u64,
    pub(super) tables: Vec<Table>,
}

/// One kind of load on all servers that know it.
#[derive(Debug, Serialize)]
pub(super) struct Table {
    pub(super) workload: Workload,
    /// What the user calls it.
    pub(super) title: Option<String>,
    /// Clients.
    pub(super) n: usize,
    /// The field that ratios are of.
    pub(super) headline: &'static str,
    /// The row that ratios are against.
    pub(super) base: Option<String>,
    pub(super) rows: Vec<Row>,
}

/// One server in a table.
#[derive(Debug, Serialize)]
pub(super) struct Row {
    pub(super) server: String,
    /// Of the headline, to the base's of the same round.
    pub(super) ratio: Option<Spread>,
    /// Of each field that is a number in every run.
    pub(super) figures: BTreeMap<String, Spread>,
    /// What each run reported.
    pub(super) runs: Vec<Map<String, Value>>,
}

impl Table {
    /// Of the runs of each server.
    pub(super) fn new(
        options: &Options,
        workload: Workload,
        rows: Vec<(String, Vec<Map<String, Value>>)>,
    ) -> Self {
        let wanted = match &options.base {
            Some(base) => rows.iter().position(|(name, _)| name.split(',').next() == Some(base)),
            None => rows.len().checked_sub(1).filter(|&last| last > 0),
        };
        let headline = workload.headline();
        let of_base: Vec<Option<f64>> =
            wanted.iter().flat_map(|&base| &rows[base].1).map(|run| run.get(headline)?.as_f64()).collect();
        let base = wanted.map(|base| rows[base].0.clone());
        let rows = rows.into_iter().map(|(server, runs)| {
            let ratios = runs.iter().zip(&of_base).filter_map(|(run, &base)| {
                let (own, base) = (run.get(headline)?.as_f64()?, base.filter(|&base| base > 0.0)?);
                Some(rounded(own / base))
            });
            let ratio = Spread::of(ratios).filter(|_| base.as_ref() != Some(&server));
            Row { ratio, figures: figures(&runs), server, runs }
        });
        Self {
            workload,
            n: workload.clients(options),
            title: options.title.clone(),
            headline,
            rows: rows.collect(),
            base,
        }
    }
}

/// The spread of each field that is a number in every run.
pub(super) fn figures(runs: &[Map<String, Value>]) -> BTreeMap<String, Spread> {
    let Some(first) = runs.first() else { return Default::default() };
    let spread = |field: &String| {
        let values: Option<Vec<f64>> = runs.iter().map(|run| run.get(field)?.as_f64()).collect();
        Some((field.clone(), Spread::of(values?)?))
    };
    first.keys().filter_map(spread).collect()
}
