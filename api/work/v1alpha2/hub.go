package v1alpha2

// Hub marks the stored form of ResourceBinding, through which other versions are converted.
func (*ResourceBinding) Hub() {}

// Hub marks the stored form of ClusterResourceBinding, through which other versions are converted.
func (*ClusterResourceBinding) Hub() {}
