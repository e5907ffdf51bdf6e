//go:build provider

// Package peers keeps the version of the provider, which is built by its import path.
package peers

import _ "github.com/hashicorp/terraform-provider-time"
