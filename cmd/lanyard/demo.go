package main

import (
	"crypto/rand"
	"fmt"
	"io"
	"strings"

	"github.com/lanyardhq/lanyard/internal/config"
	"github.com/lanyardhq/lanyard/internal/login"
	"github.com/lanyardhq/lanyard/material"
)

// setPasswords gives each person of the demo a new password, known to this run alone: none is ever
// written down.
func setPasswords(c *config.Config) (map[string]material.Secret, error) {
	passwords := map[string]material.Secret{}
	for i, u := range c.SignIn.Local.Users {
		p := material.Secret(strings.ToLower(rand.Text()[:12]))
		hash, err := login.HashPassword(p)
		if err != nil {
			return nil, err
		}
		c.SignIn.Local.Users[i].Password, passwords[u.Name] = hash, p
	}
	return passwords, nil
}

// greet tells whoever started the demo how to go on.
func greet(w io.Writer, c config.Config, passwords map[string]material.Secret) {
	fmt.Fprintf(w, "\nLanyard is ready. Sign in at\n\n    %s\n\nas one of these, with a password that holds until the server stops:\n\n", c.Portal.URL)
	for _, u := range c.SignIn.Local.Users {
		var roles []string
		for _, p := range c.Projects {
			for _, m := range p.Members {
				if m.Subject == u.Name {
					roles = append(roles, m.Role+" of "+p.Name)
				}
			}
		}
		fmt.Fprintf(w, "    %-8s %s   %s\n", u.Name, passwords[u.Name].Reveal(), strings.Join(roles, ", "))
	}
	project := c.Projects[0].Name
	fmt.Fprintf(w, `
Then try, in another terminal:

    bin/lanyard login --server %s
    bin/lanyard configure rclone --project %s
    rclone lsd lumi-%s-private:
    bin/lanyard proxy init --project %s --voms %s

S3 programs reach %s. Stop with Ctrl-C; everything but the passwords is kept in
%s

`, c.Portal.URL, project, project, project, c.VOs[0].Name, c.S3.URL, c.DataDir)
}
