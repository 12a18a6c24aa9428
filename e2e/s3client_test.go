package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/lanyardhq/lanyard/api"
)

// An s3client is an unmodified client, used with the file that lanyard configure wrote for it.
type s3client struct {
	name string
	// configure is the client's name for lanyard configure.
	configure string
	program   string
	// How the client does it. remote is the name that was configured; an object is BUCKET/KEY.
	mb, rb   func(p *person, remote, bucket string) []string
	put, get func(p *person, remote, file, object string) []string // file is local
	ls, rm   func(p *person, remote, object string) []string
	presign  func(p *person, remote, object string) []string
}

func s3clients(t testing.TB) []s3client {
	rclone := func(name, program string) s3client {
		do := func(verb string, flags ...string) func(*person, string, string) []string {
			return func(_ *person, remote, object string) []string {
				return append([]string{verb, remote + "-private:" + object, "--retries=1"}, flags...)
			}
		}
		return s3client{name: name, configure: "rclone", program: program, mb: do("mkdir"), rb: do("rmdir"), ls: do("ls"), rm: do("deletefile"), presign: do("link", "--expire=1h"),
			put: func(_ *person, remote, file, object string) []string {
				return []string{"copyto", file, remote + "-private:" + object, "--s3-upload-cutoff=16M", "--s3-chunk-size=16M", "--retries=1"}
			},
			get: func(_ *person, remote, file, object string) []string {
				return []string{"copyto", remote + "-private:" + object, file, "--retries=1"}
			}}
	}
	s3cmd := func(args ...string) func(*person, string, string) []string {
		return func(p *person, remote, object string) []string {
			return append([]string{"-c", filepath.Join(p.home, ".s3cfg-"+remote)}, append(append([]string{}, args...), "s3://"+object)...)
		}
	}
	aws := func(args ...string) func(*person, string, string) []string {
		return func(p *person, remote, object string) []string {
			a := []string{"--profile", remote, "--endpoint-url", p.s3} // Debian's aws does not read the endpoint from the file
			return append(append(a, args...), "s3://"+object)
		}
	}
	mc := func(args ...string) func(*person, string, string) []string {
		return func(_ *person, remote, object string) []string {
			return append(append([]string{}, args...), remote+"/"+object)
		}
	}
	boto := func(verb string) func(*person, string, string) []string {
		return func(p *person, remote, object string) []string {
			bucket, key, _ := strings.Cut(object, "/")
			return []string{filepath.Join("testdata", "boto3_client.py"), remote, p.s3, verb, bucket, key}
		}
	}
	moved := func(f func(*person, string, string) []string, local bool) func(*person, string, string, string) []string {
		return func(p *person, remote, file, object string) []string { // the file stands before or behind the object
			a := f(p, remote, object)
			if local {
				return append(a[:len(a)-1:len(a)-1], file, a[len(a)-1])
			}
			return append(a, file)
		}
	}
	return []s3client{
		{name: "s3cmd", configure: "s3cmd", program: "s3cmd", mb: s3cmd("mb"), rb: s3cmd("rb"), ls: s3cmd("ls"), rm: s3cmd("rm"),
			put: moved(s3cmd("put", "--no-progress"), true), get: moved(s3cmd("get", "--no-progress", "--force"), false),
			presign: func(p *person, remote, object string) []string {
				return append(s3cmd("signurl")(p, remote, object), "+3600")
			}},
		rclone("rclone of Debian", "/usr/bin/rclone"),
		rclone("newest rclone", peer(t, "rclone")),
		{name: "aws", configure: "aws", program: "aws", mb: aws("s3", "mb"), rb: aws("s3", "rb"), ls: aws("s3", "ls"), rm: aws("s3", "rm"),
			put: moved(aws("s3", "cp", "--no-progress"), true), get: moved(aws("s3", "cp", "--no-progress"), false), presign: aws("s3", "presign", "--expires-in", "3600")},
		{name: "boto3", configure: "boto3", program: "/usr/bin/python3", mb: boto("mb"), rb: boto("rb"), ls: boto("ls"), rm: boto("rm"),
			put: moved(boto("put"), false), get: moved(boto("get"), false), presign: boto("presign")},
		{name: "mc", configure: "mc", program: peer(t, "mc"), mb: mc("mb"), rb: mc("rb"), ls: mc("ls"), rm: mc("rm"),
			put: moved(mc("cp", "--quiet"), true), get: moved(mc("cp", "--quiet"), false), presign: mc("share", "download", "--expire=1h", "--json")},
	}
}

// do runs one operation of a client.
func (p *person) do(c s3client, args []string) result {
	p.t.Helper()
	if c.name == "boto3" {
		dir, err := os.Getwd()
		if err != nil {
			p.t.Fatal(err)
		}
		args = append([]string{filepath.Join(dir, args[0])}, args[1:]...)
	}
	return p.run(command{program: c.program, args: args, env: []string{"MC_CONFIG_DIR=" + filepath.Join(p.home, ".mc"), "AWS_MAX_ATTEMPTS=1", "AWS_PAGER="}})
}

// configured makes a key for the client under the name remote, has lanyard configure the client with
// it, and returns the access key id; it is empty if the client calls lanyard for its keys.
func (p *person) configured(c s3client, project, remote string, flags ...string) string {
	p.t.Helper()
	args := append([]string{"configure", c.configure, "--project", project, "--name", remote, "--json"}, flags...)
	out := p.run(command{args: args, env: []string{"PATH=" + filepath.Dir(c.program) + ":/usr/bin:" + os.Getenv("LANYARD_PEERS") + ":" + os.Getenv("PATH")}}).ok(p.t)
	var report struct{ Key *api.Credential }
	if err := json.Unmarshal([]byte(out), &report); err != nil {
		p.t.Fatalf("%v in %s", err, out)
	}
	if report.Key == nil {
		return ""
	}
	return report.Key.AccessKeyID
}
