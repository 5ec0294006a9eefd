// Builds the pinned kube-score; see tools/cluster/build.ts.
module rejuve.io/tools/cluster/kube-score

go 1.26.0
