package main

import (
	"github.com/lanyardhq/lanyard/internal/credential"
	"github.com/lanyardhq/lanyard/internal/deliver"
	"github.com/lanyardhq/lanyard/internal/deliver/awscli"
	"github.com/lanyardhq/lanyard/internal/deliver/boto3"
	"github.com/lanyardhq/lanyard/internal/deliver/mc"
	"github.com/lanyardhq/lanyard/internal/deliver/rclone"
	"github.com/lanyardhq/lanyard/internal/deliver/restic"
	"github.com/lanyardhq/lanyard/internal/deliver/s3cmd"
	"github.com/lanyardhq/lanyard/internal/deliver/s3fs"
	"github.com/lanyardhq/lanyard/internal/deliver/shell"
	"github.com/lanyardhq/lanyard/internal/kind/grant"
	"github.com/lanyardhq/lanyard/internal/kind/proxy"
	"github.com/lanyardhq/lanyard/internal/kind/s3key"
)

// kinds are the kinds of credential: a new one is one package and one line here.
func kinds(proxies *proxy.Kind, grants *grant.Kind) map[string]credential.Kind {
	all := map[string]credential.Kind{}
	for _, k := range []credential.Kind{
		s3key.Kind{},
		proxies,
		grants,
	} {
		all[k.Name()] = k
	}
	return all
}

// targets are the clients that lanyard configures: a new one is one package and one line here.
func targets() []deliver.Target {
	return []deliver.Target{
		rclone.Target{},
		s3cmd.Target{},
		awscli.Target{},
		boto3.Target{},
		mc.Target{},
		restic.Target{},
		s3fs.Target{},
		shell.Target{},
	}
}
