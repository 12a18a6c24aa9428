// Package s3api is the S3 REST dialect as the gateway speaks it: where a request points to, which
// operation it asks for, error codes, and the XML documents. It decides nothing and does no I/O.
// It imports rows 0 to 2.
//
// Source of names and formats: Amazon S3 API Reference, version 2006-03-01.
package s3api

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Code is an S3 error code; clients decide by it.
type Code string

// The codes that the gateway itself answers with. Those of the store behind are passed on.
const (
	AccessDenied            Code = "AccessDenied"
	BucketAlreadyOwnedByYou Code = "BucketAlreadyOwnedByYou"
	BucketNotEmpty          Code = "BucketNotEmpty"
	EntityTooLarge          Code = "EntityTooLarge"
	IncompleteBody          Code = "IncompleteBody"
	InternalError           Code = "InternalError"
	InvalidAccessKeyID      Code = "InvalidAccessKeyId"
	InvalidArgument         Code = "InvalidArgument"
	InvalidBucketName       Code = "InvalidBucketName"
	InvalidRequest          Code = "InvalidRequest"
	InvalidStorageClass     Code = "InvalidStorageClass"
	InvalidToken            Code = "InvalidToken"
	InvalidURI              Code = "InvalidURI"
	KeyTooLong              Code = "KeyTooLongError"
	MalformedACL            Code = "MalformedACLError"
	MalformedPost           Code = "MalformedPOSTRequest"
	MalformedXML            Code = "MalformedXML"
	MethodNotAllowed        Code = "MethodNotAllowed"
	MissingContentLength    Code = "MissingContentLength"
	NoSuchBucket            Code = "NoSuchBucket"
	NotImplemented          Code = "NotImplemented"
	OperationAborted        Code = "OperationAborted"
	QuotaExceeded           Code = "QuotaExceeded"
	RequestTimeout          Code = "RequestTimeout"
	ServiceUnavailable      Code = "ServiceUnavailable"
	SlowDown                Code = "SlowDown"
)

// statuses is the one table from code to HTTP status; a code that is not in it is a client's
// mistake, 400.
var statuses = map[Code]int{
	AccessDenied:            http.StatusForbidden,
	InvalidAccessKeyID:      http.StatusForbidden,
	QuotaExceeded:           http.StatusForbidden,
	"SignatureDoesNotMatch": http.StatusForbidden,
	"RequestTimeTooSkewed":  http.StatusForbidden,
	NoSuchBucket:            http.StatusNotFound,
	"NoSuchKey":             http.StatusNotFound,
	MethodNotAllowed:        http.StatusMethodNotAllowed,
	BucketAlreadyOwnedByYou: http.StatusConflict,
	BucketNotEmpty:          http.StatusConflict,
	OperationAborted:        http.StatusConflict,
	MissingContentLength:    http.StatusLengthRequired,
	"PreconditionFailed":    http.StatusPreconditionFailed,
	InternalError:           http.StatusInternalServerError,
	NotImplemented:          http.StatusNotImplemented,
	ServiceUnavailable:      http.StatusServiceUnavailable,
	SlowDown:                http.StatusServiceUnavailable,

	// What a GET answers for configuration that no bucket here can have.
	"NoSuchBucketPolicy":                             http.StatusNotFound,
	"NoSuchLifecycleConfiguration":                   http.StatusNotFound,
	"NoSuchTagSet":                                   http.StatusNotFound,
	"NoSuchWebsiteConfiguration":                     http.StatusNotFound,
	"ObjectLockConfigurationNotFoundError":           http.StatusNotFound,
	"ReplicationConfigurationNotFoundError":          http.StatusNotFound,
	"ServerSideEncryptionConfigurationNotFoundError": http.StatusNotFound,
}

// Error is a request that is refused.
type Error struct {
	Code Code
	// Message says what happened and what to do, in plain words and without secrets. Clients
	// print it; some crash when it is empty.
	Message string
	// HTTPStatus overrides the status of the code, for errors of the store behind.
	HTTPStatus int
	// RetryAfter is set where waiting helps.
	RetryAfter time.Duration
	// StringToSign and CanonicalRequest show what was verified, for authors of clients.
	StringToSign, CanonicalRequest string
	// Cause is for the log only.
	Cause error
}

// Errorf makes an error whose message is formatted as by fmt.Sprintf.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Status is the HTTP status to answer with.
func (e *Error) Status() int {
	if e.HTTPStatus != 0 {
		return e.HTTPStatus
	}
	if s, ok := statuses[e.Code]; ok {
		return s
	}
	return http.StatusBadRequest
}

// HeaderText is the message as a header can carry it: answers to HEAD have no body.
func (e *Error) HeaderText() string {
	return strings.Map(func(r rune) rune {
		if r < ' ' || r > '~' {
			return '?'
		}
		return r
	}, e.Message)
}

// ours are errors by which the store refuses the gateway, not the client.
const ours = " AuthorizationHeaderMalformed InvalidAccessKeyId SignatureDoesNotMatch RequestTimeTooSkewed ExpiredToken InvalidToken InvalidTokenId InvalidClientTokenId SignatureVersionNotSupported "

// StoreError reads an answer of the store that is an error; body is nil for HEAD. One that is about
// the gateway's own credential is no Error of the client's.
func StoreError(status int, body io.Reader) error {
	var doc ErrorDocument
	if body != nil {
		// What does not parse is told by its status.
		_ = Decode(io.LimitReader(body, 64<<10), &doc)
	}
	if strings.Contains(ours, " "+string(doc.Code)+" ") {
		return fmt.Errorf("the object store refuses the gateway's own credential: %s: %s", doc.Code, doc.Message)
	}
	e := &Error{Code: doc.Code, Message: doc.Message, HTTPStatus: status}
	if e.Code == "" {
		e.Code = codeOf(status)
	}
	if e.Message == "" {
		e.Message = fmt.Sprintf("the object store answered: %d %s", status, http.StatusText(status))
	}
	if status >= 500 {
		e.RetryAfter = time.Second
	}
	return e
}

// codeOf names an error of which only the status is known.
func codeOf(status int) Code {
	switch status {
	case http.StatusNotFound:
		return "NoSuchKey"
	case http.StatusForbidden:
		return AccessDenied
	case http.StatusPreconditionFailed:
		return "PreconditionFailed"
	case http.StatusRequestedRangeNotSatisfiable:
		return "InvalidRange"
	case http.StatusServiceUnavailable, http.StatusTooManyRequests, http.StatusBadGateway, http.StatusGatewayTimeout:
		return SlowDown
	}
	if status >= 500 {
		return InternalError
	}
	return InvalidRequest
}
