//! What changed in the core's catalog, told to whoever shows it.

use crate::{Instance, InstanceId, Instant, Member, NodeId, ServiceName};
use alloc::sync::Arc;

/// One difference. Applying all of them in order makes a catalog equal to the core's.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Delta {
    /// This instance of this owner is now so.
    Instance(Arc<Instance>),
    /// This owner no longer has that instance.
    InstanceGone {
        /// The service.
        service: ServiceName,
        /// The instance.
        id: InstanceId,
        /// Whose claim ended.
        owner: NodeId,
    },
    /// This member is now so.
    Member(Member),
    /// All that `node` had said up to `as_of` (this node's clock) is known here.
    Current {
        /// Whose speech.
        node: NodeId,
        /// Up to when.
        as_of: Instant,
    },
}
