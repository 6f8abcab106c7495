//! A transaction: statements in, rows out, the same on both engines.

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
    Postgres(&'a mut postgres::Client, &'a mut Statements),
}

/// What is known of a PostgreSQL connection.
#[derive(Default)]
pub(crate) struct Statements {
    /// What it has prepared; the texts are few and fixed.
    prepared: std::collections::BTreeMap<String, postgres::Statement>,
    /// Whether one of them failed in the transaction under way.
    pub has_failed: bool,
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
            TxInner::Postgres(client, statements) => {
                let parameters: Vec<&(dyn ToSql + Sync)> = values.iter().map(to_sql).collect();
                let touched = prepared(client, statements, sql)
                    .and_then(|statement| client.execute(&statement, &parameters));
                statements.has_failed |= touched.is_err();
                Ok(touched?)
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
            TxInner::Postgres(client, statements) => {
                let done = client.batch_execute(sql);
                statements.has_failed |= done.is_err();
                Ok(done?)
            }
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
            TxInner::Postgres(client, statements) => {
                let parameters: Vec<&(dyn ToSql + Sync)> = values.iter().map(to_sql).collect();
                let statement = prepared(client, statements, sql);
                // Row by row: a table may be larger than memory.
                let visited = statement.and_then(|statement| {
                    let mut rows = client.query_raw(&statement, parameters)?;
                    while let Some(row) = rows.next()? {
                        if !visit(&Row { inner: RowInner::Postgres(&row) }) {
                            break;
                        }
                    }
                    Ok(())
                });
                statements.has_failed |= visited.is_err();
                visited?;
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

    /// The next number of a kind, counted from 1 in a table `counter` with `name` and `value`.
    ///
    /// # Errors
    /// What the engine says.
    pub fn count_up(&mut self, name: &str) -> Result<i64, StoreError> {
        // For a RETURNING, SQLite makes a table of its own each time.
        if matches!(self.inner, TxInner::Sqlite(_)) {
            self.execute(COUNT_UP, &[name.into()])?;
            return self.last_number(name);
        }
        let counted = format!("{COUNT_UP} RETURNING value");
        self.row(&counted, &[name.into()], |row| row.int(0))?.ok_or(StoreError::Closed)
    }

    /// The last number of a kind that was given out; 0 before the first.
    ///
    /// # Errors
    /// What the engine says.
    pub fn last_number(&mut self, name: &str) -> Result<i64, StoreError> {
        let sql = "SELECT value FROM counter WHERE name = $1";
        let found: Result<_, StoreError> = self.row(sql, &[name.into()], |row| row.int(0));
        Ok(found?.unwrap_or(0))
    }

    /// From now on numbers of a kind are higher than this one.
    ///
    /// # Errors
    /// What the engine says.
    pub fn numbers_above(&mut self, name: &str, least: i64) -> Result<(), StoreError> {
        let sql = "INSERT INTO counter (name, value) VALUES ($1, $2) ON CONFLICT (name)
            DO UPDATE SET value = excluded.value WHERE counter.value < excluded.value";
        self.execute(sql, &[name.into(), least.into()])?;
        Ok(())
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
    client: &mut postgres::Client,
    statements: &mut Statements,
    sql: &str,
) -> Result<postgres::Statement, postgres::Error> {
    if let Some(statement) = statements.prepared.get(sql) {
        return Ok(statement.clone());
    }
    let statement = client.prepare(sql)?;
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
