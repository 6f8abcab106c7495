//! A transaction: statements in, rows out, the same on both engines.

use postgres::error::SqlState;
use postgres::fallible_iterator::FallibleIterator as _;
use postgres::types::ToSql;

use crate::{Id, StoreError};

/// A parameter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Value<'a> {
    /// `BIGINT`.
    Int(i64),
    /// `TEXT`.
    Text(&'a str),
    /// `BYTEA`.
    Bytes(&'a [u8]),
    /// A missing `BIGINT`.
    NullInt,
    /// A missing `TEXT`.
    NullText,
    /// A missing `BYTEA`.
    NullBytes,
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Self::Int(i64::from(value))
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Self::Text(value)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Self::Bytes(value)
    }
}

impl<'a> From<&'a Vec<u8>> for Value<'a> {
    fn from(value: &'a Vec<u8>) -> Self {
        Self::Bytes(value)
    }
}

impl<'a> From<Option<&'a str>> for Value<'a> {
    fn from(value: Option<&'a str>) -> Self {
        value.map_or(Self::NullText, Self::Text)
    }
}

impl<'a> From<Option<&'a [u8]>> for Value<'a> {
    fn from(value: Option<&'a [u8]>) -> Self {
        value.map_or(Self::NullBytes, Self::Bytes)
    }
}

/// A transaction under way.
pub struct Tx<'a> {
    pub(crate) inner: TxInner<'a>,
}

pub(crate) enum TxInner<'a> {
    Sqlite(&'a rusqlite::Connection),
    Postgres(postgres::Transaction<'a>, &'a mut Statements),
}

/// What is known of a PostgreSQL connection.
#[derive(Default)]
pub(crate) struct Statements {
    /// What it has prepared; the texts are few and fixed.
    prepared: std::collections::BTreeMap<String, postgres::Statement>,
    /// The kind whose numbers were asked for and that has no sequence yet.
    pub number_wanted: Option<String>,
}

/// A row of a result.
pub struct Row<'a> {
    inner: RowInner<'a>,
}

enum RowInner<'a> {
    Sqlite(&'a rusqlite::Row<'a>),
    Postgres(&'a postgres::Row),
}

macro_rules! getter {
    ($name:ident, $type:ty, $what:literal) => {
        #[doc = $what]
        ///
        /// # Errors
        /// When the column is of another type or missing.
        pub fn $name(&self, column: usize) -> Result<$type, StoreError> {
            Ok(match &self.inner {
                RowInner::Sqlite(row) => row.get(column)?,
                RowInner::Postgres(row) => row.try_get(column)?,
            })
        }
    };
}

impl Row<'_> {
    getter!(int, i64, "A `BIGINT`.");
    getter!(text, String, "A `TEXT`.");
    getter!(bytes, Vec<u8>, "A `BYTEA`.");
    getter!(opt_int, Option<i64>, "A `BIGINT` that may be missing.");
    getter!(opt_text, Option<String>, "A `TEXT` that may be missing.");
    getter!(opt_bytes, Option<Vec<u8>>, "A `BYTEA` that may be missing.");

    /// Adds all columns, one after the other, in a form that is the same on both engines and differs wherever a value does: a letter
    /// for the kind, the length in eight bytes, the bytes.
    ///
    /// # Errors
    /// When a column is of none of the three kinds.
    pub fn write_to(&self, bytes: &mut Vec<u8>) -> Result<(), StoreError> {
        match &self.inner {
            RowInner::Sqlite(row) => {
                use rusqlite::types::{Type, ValueRef};
                for column in 0..row.as_ref().column_count() {
                    match row.get_ref(column)? {
                        ValueRef::Null => put(bytes, b'n', Some(&[])),
                        ValueRef::Integer(value) => put(bytes, b'i', Some(&value.to_be_bytes())),
                        ValueRef::Text(value) => put(bytes, b't', Some(value)),
                        ValueRef::Blob(value) => put(bytes, b'b', Some(value)),
                        ValueRef::Real(_) => {
                            let name = String::new();
                            let error =
                                rusqlite::Error::InvalidColumnType(column, name, Type::Real);
                            return Err(error.into());
                        }
                    }
                }
            }
            RowInner::Postgres(row) => {
                use postgres::types::Type;
                for (column, described) in row.columns().iter().enumerate() {
                    if *described.type_() == Type::INT8 {
                        let value: Option<i64> = row.try_get(column)?;
                        put(
                            bytes,
                            b'i',
                            value.map(i64::to_be_bytes).as_ref().map(|value| &value[..]),
                        );
                    } else if *described.type_() == Type::BYTEA {
                        put(bytes, b'b', row.try_get(column)?);
                    } else {
                        let value: Option<&str> = row.try_get(column)?;
                        put(bytes, b't', value.map(str::as_bytes));
                    }
                }
            }
        }
        Ok(())
    }

    /// The number of a row.
    ///
    /// # Errors
    /// As [`Row::int`].
    pub fn id<T: Id>(&self, column: usize) -> Result<T, StoreError> {
        self.int(column).map(T::from_number)
    }

    /// The number of a row that may be missing.
    ///
    /// # Errors
    /// As [`Row::opt_int`].
    pub fn opt_id<T: Id>(&self, column: usize) -> Result<Option<T>, StoreError> {
        Ok(self.opt_int(column)?.map(T::from_number))
    }

    /// A truth value, kept as `BIGINT` 0 or 1.
    ///
    /// # Errors
    /// As [`Row::int`].
    pub fn flag(&self, column: usize) -> Result<bool, StoreError> {
        Ok(self.int(column)? != 0)
    }
}

impl Tx<'_> {
    /// Runs a statement; returns the number of rows it touched.
    ///
    /// # Errors
    /// What the engine says.
    pub fn execute(&mut self, sql: &str, values: &[Value<'_>]) -> Result<u64, StoreError> {
        crate::seen::note(sql);
        match &mut self.inner {
            TxInner::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql)?;
                bind(&mut statement, values)?;
                Ok(statement.raw_execute()? as u64)
            }
            TxInner::Postgres(transaction, statements) => {
                let statement = prepared(transaction, statements, sql)?;
                let parameters: Vec<&(dyn ToSql + Sync)> = values.iter().map(to_sql).collect();
                Ok(transaction.execute(&statement, &parameters)?)
            }
        }
    }

    /// Runs several statements without parameters.
    ///
    /// # Errors
    /// What the engine says.
    pub fn batch(&mut self, sql: &str) -> Result<(), StoreError> {
        match &mut self.inner {
            TxInner::Sqlite(connection) => Ok(connection.execute_batch(sql)?),
            TxInner::Postgres(transaction, _) => Ok(transaction.batch_execute(sql)?),
        }
    }

    /// Runs a query and makes a value of each row.
    ///
    /// # Errors
    /// What the engine or `from_row` says.
    pub fn rows<T, E: From<StoreError>>(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
        mut from_row: impl FnMut(&Row<'_>) -> Result<T, E>,
    ) -> Result<Vec<T>, E> {
        let mut found = Vec::new();
        self.each(sql, values, |row| {
            found.push(from_row(row)?);
            Ok::<_, E>(true)
        })?;
        Ok(found)
    }

    /// Runs a query and hands over its rows until told that it is enough.
    ///
    /// # Errors
    /// What the engine or `visit` says.
    pub fn each<E: From<StoreError>>(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
        mut visit: impl FnMut(&Row<'_>) -> Result<bool, E>,
    ) -> Result<(), E> {
        let mut failed = None;
        self.visit(sql, values, &mut |row| {
            visit(row).unwrap_or_else(|error| {
                failed = Some(error);
                false
            })
        })?;
        failed.map_or(Ok(()), Err)
    }

    /// [`Self::each`], once for all who ask: `false` is enough.
    fn visit(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
        visit: &mut dyn FnMut(&Row<'_>) -> bool,
    ) -> Result<(), StoreError> {
        crate::seen::note(sql);
        match &mut self.inner {
            TxInner::Sqlite(connection) => {
                let mut statement = connection.prepare_cached(sql)?;
                bind(&mut statement, values)?;
                let mut rows = statement.raw_query();
                while let Some(row) = rows.next()? {
                    if !visit(&Row { inner: RowInner::Sqlite(row) }) {
                        break;
                    }
                }
            }
            TxInner::Postgres(transaction, statements) => {
                let statement = prepared(transaction, statements, sql)?;
                let parameters: Vec<&(dyn ToSql + Sync)> = values.iter().map(to_sql).collect();
                // Row by row: a table may be larger than memory.
                let mut rows = transaction.query_raw(&statement, parameters)?;
                while let Some(row) = rows.next()? {
                    if !visit(&Row { inner: RowInner::Postgres(&row) }) {
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    /// The names of the tables, sorted.
    ///
    /// # Errors
    /// What the engine says.
    pub fn tables(&mut self) -> Result<Vec<String>, StoreError> {
        let sql = if matches!(self.inner, TxInner::Sqlite(_)) {
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'
                ORDER BY name"
        } else {
            "SELECT CAST(table_name AS TEXT) FROM information_schema.tables
                WHERE table_schema = current_schema() AND table_type = 'BASE TABLE'"
        };
        let mut names: Vec<String> = self.rows(sql, &[], |row| row.text(0))?;
        names.sort();
        Ok(names)
    }

    /// The next number of a kind, counted from 1. On SQLite it is kept in a table `counter` with `name` and `value`. On PostgreSQL a
    /// sequence gives it out, so that nobody waits for anybody else's transaction; numbers of transactions that were given up are left out.
    ///
    /// # Errors
    /// What the engine says.
    pub fn count_up(&mut self, name: &str) -> Result<i64, StoreError> {
        let first = |row: &Row<'_>| row.int(0);
        if let TxInner::Postgres(transaction, statements) = &mut self.inner {
            let sql = format!("SELECT nextval('{}')", numbers_of(name));
            match prepared(transaction, statements, &sql) {
                Ok(_) => return self.row(&sql, &[], first)?.ok_or(StoreError::Conflict),
                Err(StoreError::Postgres(error))
                    if error.code() == Some(&SqlState::UNDEFINED_TABLE) =>
                {
                    // It is made outside, and all this begins anew.
                    statements.number_wanted = Some(name.to_owned());
                    return Err(StoreError::Conflict);
                }
                Err(error) => return Err(error),
            }
        }
        // For a RETURNING, SQLite makes a table of its own each time.
        self.execute(COUNT_UP, &[name.into()])?;
        let sql = "SELECT value FROM counter WHERE name = $1";
        self.row(sql, &[name.into()], first)?.ok_or(StoreError::Conflict)
    }

    /// The last number of a kind that was given out; 0 before the first.
    ///
    /// # Errors
    /// What the engine says.
    pub fn last_number(&mut self, name: &str) -> Result<i64, StoreError> {
        if let Some(last) = self.last_of_sequence(name)? {
            return Ok(last);
        }
        let sql = "SELECT value FROM counter WHERE name = $1";
        let found: Result<_, StoreError> = self.row(sql, &[name.into()], |row| row.int(0));
        Ok(found?.unwrap_or(0))
    }

    /// The last number of a kind that a sequence gives out.
    fn last_of_sequence(&mut self, name: &str) -> Result<Option<i64>, StoreError> {
        if matches!(self.inner, TxInner::Sqlite(_)) {
            return Ok(None);
        }
        let sequence = numbers_of(name);
        let sql = format!("{NUMBERS} AND CAST(sequencename AS TEXT) = $1");
        self.row(&sql, &[sequence.as_str().into()], |row| row.int(1))
    }

    /// From now on numbers of a kind are higher than this one.
    ///
    /// # Errors
    /// What the engine says.
    pub fn numbers_above(&mut self, name: &str, least: i64) -> Result<(), StoreError> {
        if let Some(last) = self.last_of_sequence(name)? {
            // Numbers are given out and not set: others may be given theirs meanwhile.
            let sequence = numbers_of(name);
            let sql = format!(
                "SELECT COUNT(nextval('{sequence}')) FROM generate_series(1, CAST($1 AS BIGINT))"
            );
            let missing = least.saturating_sub(last).max(0);
            self.row::<_, StoreError>(&sql, &[missing.into()], |_| Ok(()))?;
            return Ok(());
        }
        let sql = "INSERT INTO counter (name, value) VALUES ($1, $2) ON CONFLICT (name)
            DO UPDATE SET value = excluded.value WHERE counter.value < excluded.value";
        self.execute(sql, &[name.into(), least.into()])?;
        Ok(())
    }

    /// The kinds that have numbers, and what else is kept in `counter`, with the last number of each, by name.
    ///
    /// # Errors
    /// What the engine says.
    pub fn numbers(&mut self) -> Result<std::collections::BTreeMap<String, i64>, StoreError> {
        let sql = self.all_of("counter");
        let found = self.rows(&sql, &[], |row| Ok::<_, StoreError>((row.text(0)?, row.int(1)?)))?;
        Ok(found.into_iter().collect())
    }

    /// A query for all rows of a table; those of `counter` are the same on both engines.
    #[must_use]
    pub fn all_of(&self, table: &str) -> String {
        if table == "counter" && matches!(self.inner, TxInner::Postgres(..)) {
            // Where a sequence has begun the row is what it began from.
            let begun = format!("{NUMBERS} AND COALESCE(last_value, start_value - 1) > 0");
            return format!(
                "WITH given (name, value) AS ({begun}) SELECT name, value FROM given UNION ALL
                SELECT name, value FROM counter WHERE name NOT IN (SELECT name FROM given)"
            );
        }
        // In a file that somebody made up a table may be called anything.
        format!("SELECT * FROM \"{}\"", table.replace('"', "\"\""))
    }

    /// Runs a query and makes a value of its first row.
    ///
    /// # Errors
    /// What the engine or `from_row` says.
    pub fn row<T, E: From<StoreError>>(
        &mut self,
        sql: &str,
        values: &[Value<'_>],
        from_row: impl FnMut(&Row<'_>) -> Result<T, E>,
    ) -> Result<Option<T>, E> {
        Ok(self.rows(sql, values, from_row)?.into_iter().next())
    }
}

/// A value as it is compared; none is one of another kind.
fn put(bytes: &mut Vec<u8>, kind: u8, value: Option<&[u8]>) {
    bytes.push(if value.is_some() { kind } else { b'n' });
    let value = value.unwrap_or_default();
    bytes.extend_from_slice(&(value.len() as u64).to_be_bytes());
    bytes.extend_from_slice(value);
}

/// Counts up in a table `counter`.
const COUNT_UP: &str = "INSERT INTO counter (name, value) VALUES ($1, 1)
    ON CONFLICT (name) DO UPDATE SET value = counter.value + 1";

/// The sequences that give out numbers, as rows of `counter`.
const NUMBERS: &str =
    "SELECT substr(CAST(sequencename AS TEXT), 11), COALESCE(last_value, start_value - 1)
    FROM pg_sequences WHERE schemaname = current_schema() AND sequencename LIKE 'number\\_of\\_%'";

/// The number in `$3`.
fn number_of(name: Option<&str>) -> Option<usize> {
    name?.strip_prefix('$')?.parse().ok()
}

/// Binds values to the parameters that name them: to SQLite `$3` is a name, and it counts names as they appear.
fn bind(statement: &mut rusqlite::Statement<'_>, values: &[Value<'_>]) -> Result<(), StoreError> {
    debug_assert_eq!(statement.parameter_count(), values.len(), "as many values as parameters");
    for index in 1..=statement.parameter_count() {
        let number = number_of(statement.parameter_name(index)).unwrap_or(index);
        let Some(value) = values.get(number - 1) else { continue };
        match value {
            Value::Int(value) => statement.raw_bind_parameter(index, value)?,
            Value::Text(value) => statement.raw_bind_parameter(index, value)?,
            Value::Bytes(value) => statement.raw_bind_parameter(index, value)?,
            Value::NullInt | Value::NullText | Value::NullBytes => {
                statement.raw_bind_parameter(index, rusqlite::types::Null)?;
            }
        }
    }
    Ok(())
}

fn prepared(
    transaction: &mut postgres::Transaction<'_>,
    statements: &mut Statements,
    sql: &str,
) -> Result<postgres::Statement, StoreError> {
    if let Some(statement) = statements.prepared.get(sql) {
        return Ok(statement.clone());
    }
    let statement = transaction.prepare(sql)?;
    statements.prepared.insert(sql.to_owned(), statement.clone());
    Ok(statement)
}

fn to_sql<'v>(value: &'v Value<'_>) -> &'v (dyn ToSql + Sync) {
    match value {
        Value::Int(value) => value,
        Value::Text(value) => value,
        Value::Bytes(value) => value,
        Value::NullInt => &None::<i64>,
        Value::NullText => &None::<String>,
        Value::NullBytes => &None::<Vec<u8>>,
    }
}

/// The sequence that gives out the numbers of a kind.
pub(crate) fn numbers_of(name: &str) -> String {
    format!("number_of_{name}")
}
