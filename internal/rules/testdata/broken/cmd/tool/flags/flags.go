// Package flags belongs to one command.
package flags
