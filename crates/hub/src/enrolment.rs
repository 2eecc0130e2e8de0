//! Joining and renewing over gRPC: translates, and leaves every decision to `enrol`.

use model::name::ClusterName;
use model::status::Timestamp;
use proto::v1;
use runtime::clock::Clock;
use runtime::error::chain;
use tonic::{Request, Response, Status};

use crate::clusters::Clusters;
use crate::enrol::{EnrolError, JoinRequest, Joined, JoinedIdentity};
use crate::fleet::FleetHandle;
use crate::listen::cluster_of;

#[derive(Clone)]
pub(crate) struct EnrolmentService {
    pub(crate) fleet_name: String,
    pub(crate) clusters: Clusters,
    pub(crate) fleet: FleetHandle,
    pub(crate) clock: Clock,
}

#[tonic::async_trait]
impl v1::enrolment_server::Enrolment for EnrolmentService {
    async fn join(
        &self,
        request: Request<v1::JoinRequest>,
    ) -> Result<Response<v1::JoinResponse>, Status> {
        let v1::JoinRequest { token, csr, proposed_name, kube_system_uid: _ } =
            request.into_inner();
        let proposed_name = match proposed_name.as_str() {
            "" => None,
            name => {
                Some(ClusterName::new(name).map_err(|e| Status::invalid_argument(e.to_string()))?)
            }
        };
        let asked = JoinRequest { token: &token, csr: &csr, proposed_name };
        let joined = self.clusters.join(&asked, Timestamp(self.clock.wall_ms())).await;
        let outcome = match joined.map_err(|error| refused(&error))? {
            Joined::Identity(identity) => {
                self.fleet.clusters_changed();
                v1::join_response::Outcome::Identity(identity.into())
            }
            Joined::Pending { cluster, retry_after_ms } => {
                let cluster = cluster.to_string();
                v1::join_response::Outcome::Pending(v1::Pending { cluster, retry_after_ms })
            }
        };
        Ok(Response::new(v1::JoinResponse { outcome: Some(outcome) }))
    }

    async fn renew(
        &self,
        request: Request<v1::RenewRequest>,
    ) -> Result<Response<v1::Identity>, Status> {
        let (cluster, shown) = cluster_of(&request, &self.fleet_name)?;
        let now = Timestamp(self.clock.wall_ms());
        let renewed =
            self.clusters.renew(&cluster, shown.serial, &request.get_ref().csr, now).await;
        Ok(Response::new(renewed.map_err(|error| refused(&error))?.into()))
    }
}

impl From<JoinedIdentity> for v1::Identity {
    fn from(identity: JoinedIdentity) -> Self {
        let JoinedIdentity { fleet, cluster, certificate_chain, trust_bundle, .. } = identity;
        Self { fleet, cluster: cluster.into(), certificate_chain, trust_bundle }
    }
}

/// What whoever asked may know: for a refusal its answer, for the rest only that it failed.
fn refused(error: &EnrolError) -> Status {
    match error {
        EnrolError::Refused(refusal) => {
            let (code, message) = refusal.answer();
            Status::permission_denied(format!("{code}: {message}"))
        }
        EnrolError::Busy => Status::resource_exhausted("the hub is busy; try again"),
        EnrolError::Store(_) | EnrolError::Pki(_) => {
            tracing::error!(reason = chain(error), "enrolment failed");
            Status::unavailable("the hub cannot enrol now; its log says why")
        }
    }
}
