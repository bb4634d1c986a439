package webhook

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	ctrlwebhook "sigs.k8s.io/controller-runtime/pkg/webhook"

	"github.com/seatrial/seatrial/api/crds"
	"github.com/seatrial/seatrial/api/names"
)

const (
	// ServiceName is the Service in namespace karmada-system by which an installation in a cluster is reached.
	ServiceName = "karmada-webhook"

	// period is how often the registration is looked at, and how long a new authority stands in it before it is used.
	period = time.Minute
	// retryPeriod is how soon a registration that failed is tried again.
	retryPeriod = time.Second
)

// Options say where the server listens and what it shows.
type Options struct {
	// Host and Port are those of the HTTPS listener.
	Host string
	Port int
	// CertDir holds the serving certificate, its key and, in ca.crt, what verifies it.
	CertDir, CertName, KeyName string
	// MinTLS is the lowest version of TLS, as in crypto/tls.
	MinTLS uint16
	// ClientCA is the path of the authorities (PEM) of which one must have signed the certificates of callers for admission; empty
	// lets everybody call who reaches the listener. The API server converts without a certificate.
	ClientCA string
	// RegisterURL is the https URL by which the API server reaches the listener. With it the server registers itself, and makes its
	// certificate where none is given. Empty leaves both to somebody else.
	RegisterURL string
}

// Server is the HTTPS listener, to be run by a manager.
type Server struct {
	listener     ctrlwebhook.Server
	certificates certificates
	registration *registration
	// registered has been so once; settled is so as of the last look.
	registered atomic.Bool
	settled    bool
}

// New prepares the server and reads or makes its certificate.
func New(options Options, rules Rules) (*Server, error) {
	s := &Server{}
	var hosts []string
	if options.RegisterURL != "" {
		base, err := url.Parse(options.RegisterURL)
		if err != nil || base.Scheme != "https" || base.Hostname() == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
			return nil, fmt.Errorf("the URL of the registration, %q, is not of the form https://HOST[:PORT][/PATH]", options.RegisterURL)
		}
		if s.registration, err = newRegistration(rules.Plane, *base, clock.RealClock{}); err != nil {
			return nil, err
		}
		hosts = hostsOf(base)
	}
	var err error
	if s.certificates, err = certificatesOf(options, hosts); err != nil {
		return nil, err
	}
	var callers *x509.CertPool
	if options.ClientCA != "" {
		if callers, err = authorities(options.ClientCA); err != nil {
			return nil, err
		}
	}
	s.listener = ctrlwebhook.NewServer(ctrlwebhook.Options{
		Host: options.Host, Port: options.Port, TLSOpts: []func(*tls.Config){func(config *tls.Config) {
			config.MinVersion, config.GetCertificate = options.MinTLS, s.certificates.show
			if callers != nil {
				config.ClientCAs, config.ClientAuth = callers, tls.VerifyClientCertIfGiven
			}
		}},
	})
	s.route(Handlers(rules), callers != nil)
	return s, nil
}

// route says what is served where; closed has only known callers ask for admission.
func (s *Server) route(handlers map[string]http.Handler, closed bool) {
	for _, path := range slices.Sorted(maps.Keys(handlers)) {
		handler := handlers[path]
		if closed && path != crds.ConversionPath {
			handler = known(handler)
		}
		s.listener.Register(path, handler)
	}
	s.listener.WebhookMux().HandleFunc("/", nothing)
	s.listener.WebhookMux().HandleFunc("GET /readyz", func(response http.ResponseWriter, request *http.Request) {
		if err := s.Ready(request); err != nil {
			http.Error(response, err.Error(), http.StatusServiceUnavailable)
			return
		}
		_, _ = response.Write([]byte("ok"))
	})
}

// hostsOf are the names that a made certificate is good for, the registered one first.
func hostsOf(base *url.URL) []string {
	hosts := []string{base.Hostname()}
	for _, host := range []string{"localhost", "127.0.0.1", ServiceName + "." + names.NamespaceSystem + ".svc"} {
		if !slices.Contains(hosts, host) {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

func certificatesOf(options Options, hosts []string) (certificates, error) {
	path := filepath.Join(options.CertDir, options.CertName)
	ours, err := madeHere(path)
	if err != nil {
		return nil, err
	}
	if ours && len(hosts) > 0 {
		return newMade(options.CertDir, options.CertName, options.KeyName, hosts, clock.RealClock{})
	}
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return nil, fmt.Errorf("there is no serving certificate %s: put one there, or let the server register itself, for then it makes one", path)
	}
	return newGiven(options.CertDir, options.CertName, options.KeyName)
}

func authorities(path string) (*x509.CertPool, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading the authorities of callers: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("reading the authorities of callers: %s has no certificate", path)
	}
	return pool, nil
}

// known lets callers in who have shown a certificate that was verified.
func known(handler http.Handler) http.Handler {
	return http.HandlerFunc(func(response http.ResponseWriter, request *http.Request) {
		if request.TLS == nil || len(request.TLS.VerifiedChains) == 0 {
			http.Error(response, "reviews are taken from callers with a client certificate", http.StatusUnauthorized)
			return
		}
		handler.ServeHTTP(response, request)
	})
}

// AddTo makes a manager run the server, and tell by its health endpoints when it listens and is registered.
func (s *Server) AddTo(to ctrl.Manager) error {
	if err := errors.Join(
		to.Add(s.listener), to.Add(manager.RunnableFunc(s.keep)),
		to.AddHealthzCheck("ping", healthz.Ping), to.AddReadyzCheck("webhook", s.Ready),
	); err != nil {
		return fmt.Errorf("preparing the webhook server: %w", err)
	}
	return nil
}

// Ready is nil once the server listens and is registered.
func (s *Server) Ready(request *http.Request) error {
	if err := s.listener.StartedChecker()(request); err != nil {
		return err
	}
	if s.registration != nil && !s.registered.Load() {
		return errors.New("not registered yet")
	}
	return nil
}

// keep keeps the certificate and the registration in order until the context ends. The registration stays then: what nobody can
// judge is refused.
func (s *Server) keep(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return s.certificates.start(ctx) })
	group.Go(func() error {
		for {
			wait := period
			if err := s.ensure(ctx); err != nil && ctx.Err() == nil {
				ctrl.Log.WithName("webhook").Error(err, "keeping the registration")
				wait = retryPeriod
			}
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(wait):
			}
		}
	})
	return group.Wait()
}

// ensure takes one turn. A certificate is replaced only after its successor's authority was registered.
func (s *Server) ensure(ctx context.Context) error {
	if s.registration == nil {
		return nil
	}
	if s.settled {
		if err := s.certificates.turn(); err != nil {
			return err
		}
	}
	bundle, err := s.certificates.bundle()
	if err != nil {
		return err
	}
	err = s.registration.ensure(ctx, bundle)
	if s.settled = err == nil; s.settled {
		s.registered.Store(true)
	}
	return err
}
