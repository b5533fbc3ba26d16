package main

import (
	"slices"
	"strings"
)

// The roles of a process: what serve does.
const (
	roleAPI     = "api"     // API and pages
	roleSync    = "sync"    // accounts
	roleProject = "project" // read models
	roleDeliver = "deliver" // webhooks
)

var allRoles = []string{roleAPI, roleSync, roleProject, roleDeliver}

// everything is what a process does that shares the work with nobody.
func everything(string) bool { return true }

// does reports whether this process has a role.
func (c *config) does(role string) bool { return slices.Contains(splitList(c.roles), role) }

// validateRoles names what is wrong with the roles.
func (c *config) validateRoles(fault func(name, format string, args ...any)) {
	named := splitList(c.roles)
	if len(named) == 0 {
		fault("roles", "must be one at least of %s", strings.Join(allRoles, ", "))
		return
	}
	for _, role := range named {
		if !slices.Contains(allRoles, role) {
			fault("roles", "%q is none of %s", role, strings.Join(allRoles, ", "))
		}
	}
	if !slices.ContainsFunc(allRoles, func(role string) bool { return !c.does(role) }) {
		return
	}
	if c.databaseURL == "" {
		fault("roles", "processes that share the work need one database-url")
	}
	if c.secretKeyFile == "" {
		fault("roles", "processes that share the work need one secret-key-file")
	}
}
