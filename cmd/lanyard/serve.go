package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/lanyardhq/lanyard/internal/config"
	"github.com/lanyardhq/lanyard/internal/issuer"
	"github.com/lanyardhq/lanyard/material"
)

// serveCommand is "lanyard serve".
func serveCommand() *cobra.Command {
	var file, dataDir string
	var demo bool
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Run the server: portal, API, issuer, S3 gateway, worker",
		Long: `Run the server: portal, API, OpenID provider, S3 gateway and worker, with SQLite and
an embedded object store in one data directory unless the configuration says otherwise.
It stops on SIGINT or SIGTERM, after requests under way have been answered.`,
		Example: `  lanyard serve --demo                        two projects, three people, to try things
  lanyard serve --config /etc/lanyard/lanyard.yaml
  lanyard config check /etc/lanyard/lanyard.yaml`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dataDir == "" {
				dataDir = config.DataDir(os.Geteuid(), os.Getenv)
				if demo {
					dataDir = "data"
				}
			}
			dataDir, err := filepath.Abs(dataDir) // the data directory must outlive changes of directory
			if err != nil {
				return err
			}
			c, passwords, err := load(file, dataDir, demo)
			if err != nil {
				return err
			}
			log, err := logger(c.Log, cmd.ErrOrStderr())
			if err != nil {
				return err
			}
			// Libraries that log by themselves are heard only when something is wrong.
			slog.SetDefault(slog.New(slog.NewTextHandler(cmd.ErrOrStderr(), &slog.HandlerOptions{Level: slog.LevelWarn, ReplaceAttr: issuer.LogAttr})))
			return serve(cmd.Context(), c, log, func() {
				if demo {
					greet(cmd.OutOrStdout(), c, passwords)
				}
			})
		},
	}
	cmd.Flags().StringVarP(&file, "config", "c", "", "configuration `file`; without one the defaults hold")
	cmd.Flags().StringVar(&dataDir, "data-dir", "", "`directory` for all state (default /var/lib/lanyard for root, else below ~/.local/state)")
	cmd.Flags().BoolVar(&demo, "demo", false, "make two demo projects and three demo people (data directory ./data)")
	cmd.MarkFlagsMutuallyExclusive("config", "demo")
	return cmd
}

// load returns the configuration and, for the demo, the passwords.
func load(file, dataDir string, demo bool) (config.Config, map[string]material.Secret, error) {
	switch {
	case demo:
		c := config.Demo(dataDir)
		passwords, err := setPasswords(&c)
		return c, passwords, err
	case file == "":
		return config.Default(dataDir), nil, nil
	}
	c, mistakes := config.Check(file, dataDir)
	return c, nil, told(mistakes)
}

// told makes one error of all mistakes.
func told(mistakes []config.Mistake) error {
	if len(mistakes) == 0 {
		return nil
	}
	errs := make([]error, 0, len(mistakes)+1)
	for _, m := range mistakes {
		errs = append(errs, errors.New(m.String()))
	}
	return errors.Join(append(errs, fmt.Errorf("%d mistakes in the configuration", len(mistakes)))...)
}

// configCommand is "lanyard config check".
func configCommand() *cobra.Command {
	cmd := &cobra.Command{Use: "config", Short: "Check the server's configuration"}
	cmd.AddCommand(&cobra.Command{
		Use:     "check FILE",
		Short:   "Report every mistake in a configuration file, without starting anything",
		Example: "  lanyard config check /etc/lanyard/lanyard.yaml",
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, mistakes := config.Check(args[0], config.DataDir(os.Geteuid(), os.Getenv))
			if err := told(mistakes); err != nil {
				return err
			}
			fmt.Fprintf(cmd.OutOrStdout(), "%s is right: portal %s, S3 %s, data in %s\n", args[0], c.Portal.URL, c.S3.URL, c.DataDir)
			return nil
		},
	})
	return cmd
}

func logger(c config.Log, w io.Writer) (*slog.Logger, error) {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		return nil, err
	}
	o := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return slog.New(slog.NewTextHandler(w, o)), nil
}

// serve runs the server until ctx ends or a part of it fails, and calls ready once it serves.
func serve(ctx context.Context, c config.Config, log *slog.Logger, ready func()) error {
	s, err := wire(ctx, c, log)
	if err != nil {
		return err
	}
	defer s.close()
	return s.run(ctx, ready)
}
