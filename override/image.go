package override

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
	"github.com/go-openapi/jsonpointer"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	policyv1alpha1 "github.com/seatrial/seatrial/api/policy/v1alpha1"
)

// Image is a reference to a container image, in parts.
type Image struct {
	// Registry is empty when the reference leaves it to the runtime.
	Registry, Repository string
	// Tag and Digest exclude each other.
	Tag, Digest string
}

// ParseImage splits a reference like "registry.example:5000/team/app:v1". What stands before the first slash is a registry if it
// has a dot or a colon, or is "localhost".
func ParseImage(text string) (Image, error) {
	parsed, err := reference.Parse(text)
	if err != nil {
		return Image{}, fmt.Errorf("parsing image %q: %w", text, err)
	}
	var image Image
	if named, ok := parsed.(reference.Named); ok {
		image.Repository = named.Name()
	}
	if first, rest, found := strings.Cut(image.Repository, "/"); found &&
		(strings.ContainsAny(first, ".:") || first == "localhost") {
		image.Registry, image.Repository = first, rest
	}
	if tagged, ok := parsed.(reference.Tagged); ok {
		image.Tag = tagged.Tag()
	} else if digested, ok := parsed.(reference.Digested); ok {
		image.Digest = digested.Digest().String()
	}
	return image, nil
}

// String is the reference, the inverse of ParseImage.
func (i Image) String() string {
	text := i.Repository
	if i.Registry != "" {
		text = i.Registry + "/" + i.Repository
	}
	switch {
	case i.Tag != "":
		return text + ":" + i.Tag
	case i.Digest != "":
		return text + "@" + i.Digest
	default:
		return text
	}
}

// overrideImages changes the image at the path of the predicate, or those of all containers that are not init containers.
func overrideImages(manifest *unstructured.Unstructured, overrider *policyv1alpha1.ImageOverrider) error {
	if overrider.Predicate != nil {
		return overrideImageAt(manifest, overrider.Predicate.Path, overrider)
	}
	if err := fitsKind(manifest); err != nil {
		return err
	}
	list, err := containers(manifest)
	if err != nil {
		return err
	}
	for _, container := range list {
		text, _ := container["image"].(string)
		changed, err := overrideImage(text, overrider)
		if err != nil {
			return err
		}
		container["image"] = changed
	}
	return nil
}

func overrideImageAt(manifest *unstructured.Unstructured, path string, overrider *policyv1alpha1.ImageOverrider) error {
	pointer, err := jsonpointer.New(path)
	if err != nil {
		return fmt.Errorf("image path %q: %w", path, err)
	}
	value, _, err := pointer.Get(manifest.Object)
	if err != nil {
		return fmt.Errorf("image path %q: %w", path, err)
	}
	text, ok := value.(string)
	if !ok {
		return fmt.Errorf("image path %q: found a %T, want a text", path, value)
	}
	changed, err := overrideImage(text, overrider)
	if err != nil {
		return err
	}
	_, err = pointer.Set(manifest.Object, changed)
	return err
}

func overrideImage(text string, overrider *policyv1alpha1.ImageOverrider) (string, error) {
	image, err := ParseImage(text)
	if err != nil {
		return "", err
	}
	switch overrider.Component {
	case policyv1alpha1.Registry:
		image.Registry = overridden(image.Registry, overrider)
	case policyv1alpha1.Repository:
		image.Repository = overridden(image.Repository, overrider)
	case policyv1alpha1.Tag:
		image.setVersion(overridden(image.Tag+image.Digest, overrider))
	default:
		return "", fmt.Errorf("unknown image component %q", overrider.Component)
	}
	return image.String(), nil
}

// overridden is a part after the operator: add appends to it.
func overridden(part string, overrider *policyv1alpha1.ImageOverrider) string {
	switch overrider.Operator {
	case policyv1alpha1.OverriderOpAdd:
		return part + overrider.Value
	case policyv1alpha1.OverriderOpReplace:
		return overrider.Value
	default:
		return ""
	}
}

// setVersion sets a tag or a digest, whichever the text is, and leaves the version when it is neither.
func (i *Image) setVersion(version string) {
	switch {
	case version == "":
		i.Tag, i.Digest = "", ""
	case isTag(version):
		i.Tag, i.Digest = version, ""
	case isDigest(version):
		i.Tag, i.Digest = "", version
	}
}

func isTag(version string) bool {
	match := reference.TagRegexp.FindString(version)
	return match == version
}

func isDigest(version string) bool {
	return reference.DigestRegexp.FindString(version) == version
}
