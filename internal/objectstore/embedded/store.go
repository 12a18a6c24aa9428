package embedded

import (
	"fmt"
	"os"

	"github.com/versity/versitygw/backend/meta"
	"github.com/versity/versitygw/backend/posix"
)

// copyBuffer is what versitygw takes for the body of each request; its default is 1 MiB.
const copyBuffer = 128 << 10

// largestCopy is the largest object that one copy may have, as S3 has it: 5 GiB. Unset, the engine
// copies nothing but empty objects.
const largestCopy = 5 << 30

// openStore opens objects and their metadata below dir. Metadata stand in extended attributes
// where the file system has them, else in files beside the objects. What was chosen once stays.
func openStore(dir string) (*posix.Posix, error) {
	opts := posix.PosixOpts{
		CopyObjectThreshold: largestCopy,
		IOBufferSize:        copyBuffer,
		ForceNoObjLockFile:  true, // we are alone: see lock
	}
	opts.SetNewDirPerm(0o700)
	opts.SetNewFilePerm(0o600)

	_, err := os.Stat(metadata(dir))
	if beside := err == nil || (meta.XattrMeta{}).Test(objects(dir)) != nil; !beside {
		return posix.New(objects(dir), meta.XattrMeta{}, opts)
	}
	if err := os.MkdirAll(metadata(dir), 0o700); err != nil {
		return nil, fmt.Errorf("make the directory for metadata: %w", err)
	}
	files, err := meta.NewSideCar(metadata(dir))
	if err != nil {
		return nil, err
	}
	opts.SideCarDir = metadata(dir)
	return posix.New(objects(dir), files, opts)
}
