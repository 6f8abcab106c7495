//! Lists of the public API: parts that are asked for by `offset` and `limit`, and what is said around them.

use std::collections::BTreeMap;

use axum::http::StatusCode;
use rumline_server::Error;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::problem::Problem;

/// The part of a list that is asked for: all of it, unless a limit is given; `-1` is none.
#[derive(Clone, Copy, Deserialize, Default, JsonSchema)]
pub(crate) struct Part {
    /// How many rows are passed over.
    #[serde(default)]
    pub offset: usize,
    /// How many rows at most; -1 is no limit.
    pub limit: Option<i64>,
}

impl Part {
    /// The same, of so many rows unless it says how many; fewer than one are none that can be asked for.
    pub(crate) fn or(self, limit: i64) -> Result<Self, Problem> {
        match self.limit {
            None => Ok(Self { limit: Some(limit), ..self }),
            Some(-1 | 1..) => Ok(self),
            Some(_) => {
                let text = "limit is at least 1, or -1 for all";
                Err(Problem::new(StatusCode::BAD_REQUEST, text))
            }
        }
    }

    /// The number of rows after which nothing more is asked for.
    pub(crate) fn end(self) -> Option<usize> {
        let limit = self.limit.and_then(|limit| usize::try_from(limit).ok())?;
        Some(self.offset.saturating_add(limit))
    }
}

/// A list of which a part was asked for. Rows are written as they come: a hundred thousand of them are text, not
/// objects.
pub(crate) struct List {
    part: Part,
    rows: Vec<Box<RawValue>>,
    total: usize,
}

impl List {
    pub(crate) fn new(part: Part) -> Self {
        Self { part, rows: Vec::new(), total: 0 }
    }

    /// Whether all that was asked for is there: whoever knows the total otherwise may stop.
    pub(crate) fn is_full(&self) -> bool {
        self.part.end().is_some_and(|end| self.total >= end)
    }

    /// There are so many, though not all of them were gone through.
    pub(crate) fn of_total(self, total: usize) -> Self {
        Self { total: self.total.max(total), ..self }
    }

    pub(crate) fn push(&mut self, row: impl FnOnce() -> Value) -> Result<(), Error> {
        let limit = self.part.limit.and_then(|limit| usize::try_from(limit).ok());
        if self.total >= self.part.offset && limit.is_none_or(|limit| self.rows.len() < limit) {
            let row = serde_json::value::to_raw_value(&row());
            self.rows.push(row.map_err(|error| Error::Unwritten(error.into()))?);
        }
        self.total += 1;
        Ok(())
    }
}

/// A list as the API answers it.
#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Listed {
    /// `SUCCESS`.
    status: &'static str,
    /// Nothing.
    status_message: &'static str,
    /// How many there are, of which a part was asked for.
    total_records: usize,
    /// The rows, under the name of what they are.
    #[serde(flatten)]
    #[schemars(with = "BTreeMap<String, Vec<serde_json::Map<String, Value>>>")]
    rows: BTreeMap<&'static str, Vec<Box<RawValue>>>,
}

impl Listed {
    pub(crate) fn new(name: &'static str, list: List) -> Self {
        let List { rows, total, .. } = list;
        let rows = BTreeMap::from([(name, rows)]);
        Self { status: "SUCCESS", status_message: "", total_records: total, rows }
    }
}
