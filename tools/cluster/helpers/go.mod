// Small programs inside images that tools/cluster assembles.
module rejuve.io/tools/cluster/helpers

go 1.24.0
