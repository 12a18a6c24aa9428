package main

import (
	"context"
	"crypto/rand"
	"net/http"
	"path/filepath"
	"time"

	"github.com/lanyardhq/lanyard/api"
	"github.com/lanyardhq/lanyard/bench/process"
	"github.com/lanyardhq/lanyard/client"
)

const projectName = "462000008"

// A lanyard is a running server with a robot that may make keys.
type lanyard struct {
	*peer
	api *client.Client // as the robot
}

const lanyardConfig = `data_dir: %s
portal: {listen: %q, url: "http://%s"}
s3: {listen: %q, url: "http://%s"}
metrics: {listen: ""}
limits: {keys_per_account: 0, keys_per_hour: 0, api_per_minute: 0}
projects:
  - {name: "%s", title: Benchmark, quota: 100TB}
`

// startLanyard runs the server with its defaults: SQLite and the embedded object store.
func startLanyard(ctx context.Context, program, dir string) (*lanyard, error) {
	portal, err := freeAddress()
	if err != nil {
		return nil, err
	}
	s3, err := freeAddress()
	if err != nil {
		return nil, err
	}
	// The two must not share a host name.
	portal = "localhost" + portal[len("127.0.0.1"):]
	config, data := filepath.Join(dir, "lanyard.yaml"), filepath.Join(dir, "data")
	if err := writeFile(config, lanyardConfig, data, portal, portal, s3, s3, projectName); err != nil {
		return nil, err
	}
	p, err := start("Lanyard", program, []string{"serve", "--config", config}, []string{"HOME=" + dir}, nil)
	if err != nil {
		return nil, err
	}
	site := &lanyard{peer: p}
	if err := site.signIn(ctx, "http://"+portal, filepath.Join(data, "admin.sock")); err != nil {
		return nil, p.broken(err)
	}
	key, err := site.create(ctx, "load")
	if err != nil {
		return nil, p.broken(err)
	}
	p.target = target{Address: s3, Region: "lanyard", AccessKey: key.AccessKeyID, SecretKey: key.SecretAccessKey.Reveal()}
	if err := p.ready(ctx); err != nil {
		return nil, err
	}
	engine, err := p.processes[0].Child("engine")
	if err != nil {
		return nil, p.broken(err)
	}
	p.processes = append(p.processes, engine)
	return site, nil
}

// signIn has the operator make a robot.
func (l *lanyard) signIn(ctx context.Context, portal, socket string) error {
	operator, err := client.New("", client.Options{Socket: socket, UserAgent: "lanyard-bench"})
	if err != nil {
		return err
	}
	var robot api.Robot
	err = process.Await(ctx, func() error {
		robot, err = operator.CreateRobot(ctx, projectName, api.RobotOrder{Name: "bench", Life: int64(24 * time.Hour / time.Second)})
		return err
	})
	if err != nil {
		return err
	}
	// Each of many clients keeps its connection, as programs do that make many keys.
	l.api, err = client.New(portal, client.Options{Token: client.StaticToken(robot.Token), UserAgent: "lanyard-bench",
		Transport: &http.Transport{MaxIdleConnsPerHost: 64}})
	return err
}

// create makes an S3 key.
func (l *lanyard) create(ctx context.Context, name string) (api.Credential, error) {
	return l.api.CreateCredential(ctx, api.CredentialOrder{Kind: "s3key", Project: projectName, Name: name + "-" + rand.Text()[:8]})
}
