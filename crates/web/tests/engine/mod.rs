//! How these tests run, on any engine: what a test does itself with a server's store it does on its own thread, where it may wait
//! for a database; what it asks of the server is worked on by the runtime's threads, where nothing may.

use axum::Router;
use axum::body::Body;
use axum::http::Request;
use axum::response::Response;
use tokio::runtime::Runtime;
use tower::ServiceExt;

/// Runs a test.
pub(crate) fn run<T>(test: impl Future<Output = T>) -> T {
    let runtime = Runtime::new().unwrap();
    let _entered = runtime.enter();
    futures_executor::block_on(test)
}

/// What a router answers.
pub(crate) async fn answer(router: &Router, request: Request<Body>) -> Response {
    let router = router.clone();
    tokio::spawn(router.oneshot(request)).await.unwrap().unwrap()
}
