package cache

import (
	"encoding/base64"
	"encoding/json"
	"fmt"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
)

// Versions are resource versions of several clusters, by cluster, or by cluster/namespace where only some namespaces are kept.
type Versions map[string]string

// ParseVersions reads the resource version of an object or a list that came from the cache. Neither "" nor "0" names any version.
func ParseVersions(text string) (Versions, error) {
	if text == "" || text == "0" {
		return Versions{}, nil
	}
	versions := Versions{}
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(decoded, &versions)
	}
	for _, version := range versions {
		if _, wrong := parseVersion(version); wrong != nil && err == nil {
			err = wrong
		}
	}
	if err != nil || versions == nil {
		return nil, apierrors.NewBadRequest(fmt.Sprintf("resourceVersion %q is none of several clusters: use one that a list or watch here has given", text))
	}
	return versions, nil
}

// Of is the version of an object in a cluster, empty where it is not known.
func (v Versions) Of(cluster, namespace string) string {
	if version := v[cluster]; version != "" {
		return version
	}
	return v[sourceID{cluster, namespace}.part()]
}

// String is the same for the same versions: JSON encodes maps by the order of keys.
func (v Versions) String() string {
	if len(v) == 0 {
		return ""
	}
	return encode(map[string]string(v))
}

// position is where a list in several pages goes on: after an object of a cluster, in the state of the first page.
type position struct {
	Versions string `json:"rv,omitempty"`
	Cluster  string `json:"cluster,omitempty"`
	After    string `json:"continue,omitempty"`
}

func parsePosition(text string) (position, error) {
	var p position
	if text == "" {
		return p, nil
	}
	decoded, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(decoded, &p)
	}
	if err != nil || p.Cluster == "" {
		return p, apierrors.NewBadRequest(fmt.Sprintf("continue %q is none that a list here has given", text))
	}
	return p, nil
}

func (p position) String() string { return encode(p) }

// passed tells whether the pages before have shown an object.
func (p position) passed(cluster, key string) bool {
	return cluster < p.Cluster || cluster == p.Cluster && key <= p.After
}

func encode(value any) string {
	encoded, err := json.Marshal(value)
	if err != nil {
		// Strings, and maps of them, encode.
		panic(err)
	}
	return base64.RawURLEncoding.EncodeToString(encoded)
}
