package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"

	"k8s.io/apiserver/pkg/server/dynamiccertificates"
)

// Certificates are files in PEM. They are read again when they change.
type Certificates struct {
	// CertFile and KeyFile identify the server. Without them it serves no TLS.
	CertFile, KeyFile string
	// ClientCAFile holds those who sign the certificates of clients.
	ClientCAFile string
	// AnyClient serves clients that show no certificate, or one that nobody knows.
	AnyClient bool
}

// TLS reads the files, and again whenever they change until the context ends. The result is nil when no certificate is given.
// Connections are of TLS 1.3.
func (c Certificates) TLS(ctx context.Context) (*tls.Config, error) {
	if c.CertFile == "" && c.KeyFile == "" {
		if c.ClientCAFile != "" {
			return nil, errors.New("a CA for client certificates is given, but no certificate of the server: give --grpc-auth-cert-file and --grpc-auth-key-file")
		}
		return nil, nil
	}
	if c.CertFile == "" || c.KeyFile == "" {
		return nil, errors.New("the certificate of the server needs both --grpc-auth-cert-file and --grpc-auth-key-file")
	}
	if c.ClientCAFile == "" && !c.AnyClient {
		return nil, errors.New("clients cannot be verified without --grpc-client-ca-file; --insecure-skip-grpc-client-verify serves them all")
	}
	return c.watch(ctx)
}

func (c Certificates) watch(ctx context.Context) (*tls.Config, error) {
	base := &tls.Config{MinVersion: tls.VersionTLS13, NextProtos: []string{"h2"}}
	serving, err := dynamiccertificates.NewDynamicServingContentFromFiles("grpc", c.CertFile, c.KeyFile)
	if err != nil {
		return nil, fmt.Errorf("reading the certificate of the server: %w", err)
	}
	var clients dynamiccertificates.CAContentProvider
	var files *dynamiccertificates.DynamicFileCAContent
	if !c.AnyClient {
		if files, err = dynamiccertificates.NewDynamicCAContentFromFile("grpc-clients", c.ClientCAFile); err != nil {
			return nil, fmt.Errorf("reading the CA for client certificates: %w", err)
		}
		clients, base.ClientAuth = files, tls.RequireAndVerifyClientCert
	}
	controller := dynamiccertificates.NewDynamicServingCertificateController(base, clients, serving, nil, nil)
	serving.AddListener(controller)
	if files != nil {
		files.AddListener(controller)
		go files.Run(ctx, 1)
	}
	if err := controller.RunOnce(); err != nil {
		return nil, fmt.Errorf("preparing TLS: %w", err)
	}
	go serving.Run(ctx, 1)
	go controller.Run(1, ctx.Done())
	config := base.Clone()
	config.GetConfigForClient = controller.GetConfigForClient
	return config, nil
}
