// Package opensearch indexes objects of members in an OpenSearch service, by its bulk API.
package opensearch
