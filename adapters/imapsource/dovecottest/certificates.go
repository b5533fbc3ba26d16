package dovecottest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// certificates are an authority and what it signed, as files.
type certificates struct {
	authority         string
	pool              *x509.CertPool
	Cert, Key         string // signed by the authority
	SelfCert, SelfKey string // by itself
}

func makeCertificates(t testing.TB, dir string) certificates {
	t.Helper()
	authority := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "imap2api test authority"},
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	signed := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: "localhost"},
		DNSNames: []string{"localhost"}, IPAddresses: []net.IP{net.ParseIP(tlsHost)},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	selfSigned := &x509.Certificate{
		SerialNumber: big.NewInt(3), Subject: pkix.Name{CommonName: "nobody"},
		IPAddresses: []net.IP{net.ParseIP(selfSignedHost)},
	}
	c := certificates{
		authority: filepath.Join(dir, "ca.pem"), pool: x509.NewCertPool(),
		Cert: filepath.Join(dir, "good.pem"), Key: filepath.Join(dir, "good.key"),
		SelfCert: filepath.Join(dir, "self.pem"), SelfKey: filepath.Join(dir, "self.key"),
	}
	key := newKey(t)
	der := sign(t, authority, authority, key, key)
	writePEM(t, c.authority, "CERTIFICATE", der)
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	c.pool.AddCert(parsed)
	serverKey := newKey(t)
	writePEM(t, c.Cert, "CERTIFICATE", sign(t, signed, parsed, serverKey, key))
	writeKey(t, c.Key, serverKey)
	selfKey := newKey(t)
	writePEM(t, c.SelfCert, "CERTIFICATE", sign(t, selfSigned, selfSigned, selfKey, selfKey))
	writeKey(t, c.SelfKey, selfKey)
	return c
}

func newKey(t testing.TB) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func sign(t testing.TB, cert, parent *x509.Certificate, key, parentKey *ecdsa.PrivateKey) []byte {
	t.Helper()
	cert.NotBefore, cert.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(24*time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, cert, parent, &key.PublicKey, parentKey)
	if err != nil {
		t.Fatal(err)
	}
	return der
}

func writeKey(t testing.TB, path string, key *ecdsa.PrivateKey) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	writePEM(t, path, "PRIVATE KEY", der)
}

func writePEM(t testing.TB, path, kind string, der []byte) {
	t.Helper()
	if err := os.WriteFile(path, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
}
