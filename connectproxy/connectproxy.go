// Package connectproxy reads from a Cluster by way of which proxy its member is reached.
package connectproxy

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	clusterv1alpha1 "github.com/seatrial/seatrial/api/cluster/v1alpha1"
)

// Of returns the proxy before a member, nil without one, and the headers that it is told in CONNECT and the member never is: values
// are separated by commas.
func Of(spec *clusterv1alpha1.ClusterSpec) (*url.URL, http.Header, error) {
	if spec.ProxyURL == "" {
		return nil, nil, nil
	}
	proxy, err := url.Parse(spec.ProxyURL)
	if err != nil {
		// The error would show the URL, which may hold a password.
		return nil, nil, errors.New("spec.proxyURL is no URL")
	}
	headers := http.Header{}
	for name, values := range spec.ProxyHeader {
		for value := range strings.SplitSeq(values, ",") {
			headers.Add(name, strings.TrimSpace(value))
		}
	}
	return proxy, headers, nil
}
