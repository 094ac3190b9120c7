//! `/v1/status`: who leads. Nobody does here; clients that want to know whether the cluster works are told of this agent.

use super::{Answering, Asked, What, catalog};
use crate::reply;
use std::net::SocketAddr;

pub(crate) fn answer<'a>(asked: &'a Asked<'a>, what: What) -> Answering<'a> {
    Box::pin(async move {
        let view = asked.app.directory.view();
        let present = catalog::members(&view).filter(|node| node.member.state.is_present());
        let peers: Vec<SocketAddr> = present.map(|node| node.member.address).collect();
        Ok(match what {
            What::Leader => reply::json(&asked.app.directory.identity().advertise),
            _ => reply::json(&peers),
        })
    })
}
