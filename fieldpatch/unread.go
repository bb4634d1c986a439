package fieldpatch

import "sigs.k8s.io/controller-runtime/pkg/client"

// Unread is an option of a write whose answer nobody reads beyond the identity and the version of the object: its name, UID, creation
// time, resource version and generation. Whoever answers may leave the rest of the object as it was sent. API servers do not
// know it, and answer whole.
type Unread struct{}

var (
	_ client.CreateOption           = Unread{}
	_ client.UpdateOption           = Unread{}
	_ client.PatchOption            = Unread{}
	_ client.SubResourcePatchOption = Unread{}
)

// ApplyToCreate implements client.CreateOption.
func (Unread) ApplyToCreate(*client.CreateOptions) {}

// ApplyToUpdate implements client.UpdateOption.
func (Unread) ApplyToUpdate(*client.UpdateOptions) {}

// ApplyToPatch implements client.PatchOption.
func (Unread) ApplyToPatch(*client.PatchOptions) {}

// ApplyToSubResourcePatch implements client.SubResourcePatchOption.
func (Unread) ApplyToSubResourcePatch(*client.SubResourcePatchOptions) {}
