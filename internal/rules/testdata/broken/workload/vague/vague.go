// Package helper could be anything.
package helper // want "names"
