//! What commands act on: repositories, clusters, databases and their like, by kind and name.

use std::fmt;

use cascade_receipt::resource::UNKNOWN;
use serde::Deserialize;

/// What kind of thing is acted on.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResourceKind {
    /// A repository: `github.com/acme/shop`.
    Repo,
    /// A cluster, by the name of the connection to it.
    Cluster,
    /// A named part of something larger: a namespace of a cluster, a workspace or stack of infrastructure.
    Namespace,
    /// A database: `host/name`, or the path of its file.
    Database,
    /// A machine or service, by its name in the network.
    Host,
    /// A store of objects, with its scheme: `s3://backups`.
    Bucket,
    /// An account, project, profile or subscription of a cloud.
    Account,
}

impl ResourceKind {
    /// Every kind.
    pub const ALL: [Self; 7] =
        [Self::Repo, Self::Cluster, Self::Namespace, Self::Database, Self::Host, Self::Bucket, Self::Account];

    /// The word in manifests, grants and threshold files.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Repo => "repo",
            Self::Cluster => "cluster",
            Self::Namespace => "namespace",
            Self::Database => "database",
            Self::Host => "host",
            Self::Bucket => "bucket",
            Self::Account => "account",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == text)
    }
}

/// Something that a command acts on.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Resource {
    /// What it is.
    pub kind: ResourceKind,
    /// Its name: hosts in lower case, never a user or a password; `…` where it cannot be known beforehand, as a whole
    /// or for the part of which that is so.
    pub name: String,
}

impl Resource {
    /// Something of this kind that cannot be named.
    pub(crate) fn unknown(kind: ResourceKind) -> Self {
        Self { kind, name: UNKNOWN.to_owned() }
    }

    /// All of its name is known.
    #[must_use]
    pub fn is_known(&self) -> bool {
        !self.name.contains(UNKNOWN)
    }
}

/// A file in which the name of a resource stands that a command does not name.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Place {
    /// `current-context` of the files in `KUBECONFIG`, or of `~/.kube/config`.
    Kubeconfig,
}

impl Place {
    /// Every place.
    pub const ALL: [Self; 1] = [Self::Kubeconfig];

    /// The word in facts and manifests.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kubeconfig => "kubeconfig",
        }
    }

    /// Reads the word.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|place| place.as_str() == text)
    }

    /// What stands there.
    #[must_use]
    pub const fn kind(self) -> ResourceKind {
        match self {
            Self::Kubeconfig => ResourceKind::Cluster,
        }
    }
}

impl fmt::Display for Resource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.kind.as_str(), self.name)
    }
}
