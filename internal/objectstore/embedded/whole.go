package embedded

import (
	"cmp"
	"context"
	"errors"
	"io"

	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/versity/versitygw/backend/posix"
	"github.com/versity/versitygw/s3response"
)

// A wholeStore keeps an upload only if all of it arrived. The engine's HTTP library takes the end
// of a broken connection for the end of the body, so the engine would keep the part that it got:
// what a client was sending when it died, or what the gateway cut off because its hash was wrong.
type wholeStore struct{ *posix.Posix }

// PutObject implements backend.Backend. An object whose uploader asked for no checksum gets a CRC-32C,
// for which processors have an instruction; the engine's own choice, CRC-64/NVME, takes a sixth of
// the CPU of a large upload.
func (s wholeStore) PutObject(ctx context.Context, in s3response.PutObjectInput) (s3response.PutObjectOutput, error) {
	in.Body = whole(in.Body, in.ContentLength)
	in.ChecksumAlgorithm = cmp.Or(in.ChecksumAlgorithm, types.ChecksumAlgorithmCrc32c)
	return s.Posix.PutObject(ctx, in)
}

// UploadPart implements backend.Backend.
func (s wholeStore) UploadPart(ctx context.Context, in *s3.UploadPartInput) (*s3.UploadPartOutput, error) {
	in.Body = whole(in.Body, in.ContentLength)
	return s.Posix.UploadPart(ctx, in)
}

// GetBucketAcl implements backend.Backend. The engine asks for it with every request and decides
// nothing by it, because there is one account, which may do everything: reading it would be a tenth
// of the work. Whether there is such a bucket, each operation finds out by itself.
func (wholeStore) GetBucketAcl(context.Context, *s3.GetBucketAclInput) ([]byte, error) {
	return nil, nil
}

// whole returns a reader that fails if r ends before size bytes.
func whole(r io.Reader, size *int64) io.Reader {
	if r == nil || size == nil {
		return r
	}
	return &wholeReader{r, *size}
}

// errCutOff is not io.ErrUnexpectedEOF, which the engine takes for the end of a last, short block.
var errCutOff = errors.New("the body ended early")

type wholeReader struct {
	io.Reader
	left int64
}

func (r *wholeReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	r.left -= int64(n)
	if err == io.EOF && r.left > 0 {
		err = errCutOff
	}
	return n, err
}
