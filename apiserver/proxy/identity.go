package proxy

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"k8s.io/apiserver/pkg/authentication/serviceaccount"
	"k8s.io/apiserver/pkg/authentication/user"
	"k8s.io/client-go/transport"
)

// errNobody: an impersonator that names nobody would act for itself.
var errNobody = errors.New("the request has no user")

// as sends requests in the name of a user, by an impersonator.
func as(caller user.Info, impersonator http.RoundTripper) (http.RoundTripper, error) {
	if caller == nil || caller.GetName() == "" {
		return nil, errNobody
	}
	return transport.NewImpersonatingRoundTripper(transport.ImpersonationConfig{
		UserName: caller.GetName(), Groups: groups(caller), Extra: extra(caller),
	}, impersonator), nil
}

// groups are those that the member has to know of. It adds itself what follows from the name, and the impersonator may not ask for
// that: that somebody is authenticated, and the groups of service accounts.
func groups(caller user.Info) []string {
	implied := []string{user.AllAuthenticated, user.AllUnauthenticated}
	if namespace, _, err := serviceaccount.SplitUsername(caller.GetName()); err == nil {
		implied = append(implied, serviceaccount.MakeGroupNames(namespace)...)
	}
	asked := slices.DeleteFunc(slices.Clone(caller.GetGroups()), func(group string) bool { return slices.Contains(implied[:2], group) })
	if !slices.ContainsFunc(asked, func(group string) bool { return !slices.Contains(implied, group) }) {
		return nil
	}
	return asked
}

// credentialExtra begins the names of what an API server notes about the credential it saw. The member has not seen it.
const credentialExtra = "authentication.kubernetes.io/"

// extra is what else is known of the caller, which may narrow the caller's rights and so is never left out silently. A UID is:
// users of two clusters that share a name do not share that.
func extra(caller user.Info) map[string][]string {
	told := map[string][]string{}
	for key, values := range caller.GetExtra() {
		if !strings.HasPrefix(strings.ToLower(key), credentialExtra) {
			told[key] = values
		}
	}
	return told
}

// bearerProtocol begins the WebSocket subprotocol that carries a token of browsers.
const bearerProtocol = "base64url.bearer.authorization.k8s.io."

// strip removes all by which a client could tell the member who it is: that is for the control plane to say.
func strip(header http.Header) {
	for name := range header {
		lower := strings.ToLower(name)
		if lower == "authorization" || strings.HasPrefix(lower, "impersonate-") || strings.HasPrefix(lower, "x-remote-") {
			delete(header, name)
		}
	}
	const protocols = "Sec-Websocket-Protocol"
	var kept []string
	for _, line := range header[protocols] {
		for protocol := range strings.SplitSeq(line, ",") {
			if protocol = strings.TrimSpace(protocol); !strings.HasPrefix(protocol, bearerProtocol) {
				kept = append(kept, protocol)
			}
		}
	}
	header.Del(protocols)
	if len(kept) > 0 {
		header.Set(protocols, strings.Join(kept, ", "))
	}
}
