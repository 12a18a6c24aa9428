package main

import (
	"encoding/json"
	"io"
	"os"

	"github.com/versity/versitygw/auth"
	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3api"
	"github.com/versity/versitygw/s3api/middlewares"
)

// engineCommand makes this program the bare engine.
const engineCommand = "engine"

type engineSetup struct {
	Dir    string
	Target target
}

// runEngine is versitygw with connections that are kept, and otherwise as it comes: what somebody
// would run who has no Lanyard. It runs until its input ends.
func runEngine(stdin io.Reader, stdout *os.File) error {
	os.Stdout = os.Stderr // versitygw prints to it
	in := json.NewDecoder(stdin)
	var s engineSetup
	if err := in.Decode(&s); err != nil {
		return err
	}
	store, err := posix.New(s.Dir, meta.XattrMeta{}, posix.PosixOpts{})
	if err != nil {
		return err
	}
	defer store.Shutdown()
	t := s.Target
	root := auth.Account{Access: t.AccessKey, Secret: t.SecretKey, Role: auth.RoleAdmin}
	srv, err := s3api.New(store, middlewares.RootUserConfig{Access: t.AccessKey, Secret: t.SecretKey}, t.Region, auth.NewIAMServiceSingle(root),
		nil, nil, nil, nil, s3api.WithQuiet(), s3api.WithKeepAlive(), s3api.WithConcurrencyLimiter(4096, 4096))
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- srv.ServeMultiPort([]string{t.Address}) }()
	go func() { _, _ = io.Copy(io.Discard, stdin); ended <- nil }()
	return <-ended
}
