use super::*;
use axum::http::{Request, StatusCode};
use axum::routing::get;
use tower::ServiceExt;
use whither_directory::{Clock, Identity};
use whither_model::{Epoch, NodeId};

#[tokio::test]
async fn a_panic_ends_one_request_and_is_counted() {
    let identity = Identity {
        node: NodeId::new(1).unwrap(),
        epoch: Epoch(1),
        name: "a".parse().unwrap(),
        advertise: "127.0.0.1:7600".parse().unwrap(),
        zone: Box::default(),
        region: Box::default(),
        software: Box::default(),
    };
    let (directory, _queue) = Directory::new(identity, Clock::manual());
    let (app, router) = routes::build(directory, Config::default());
    let boom = || async {
        let nothing: Vec<u8> = Vec::new();
        nothing[std::hint::black_box(7)].to_string()
    };
    let router = guarded(&app, router.route("/boom", get(boom)));
    let ask = |path: &str| router.clone().oneshot(Request::get(path).body(Body::empty()).unwrap());
    let response = ask("/boom").await.unwrap();
    assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
    let body = axum::body::to_bytes(response.into_body(), 10_000).await.unwrap();
    let json: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(json["type"], "urn:whither:problem:internal");
    assert!(
        !json["detail"].as_str().unwrap().contains("index out of bounds"),
        "what broke is not the client's to know"
    );
    assert_eq!(app.metrics.panics.get(), 1);
    assert_eq!(ask("/v1/health").await.unwrap().status(), StatusCode::OK);
}
