// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

import dev.sluice.linux.Libc;
import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.util.Arrays;
import java.util.EnumSet;
import java.util.Set;

/**
 * Where the key is that both ends of a connection have. It is read for each connection, so that it can be replaced while
 * Sluice runs, and no object here keeps or prints it.
 */
public record KeyFile(Path path) {

    /** Below this many bytes, a key that somebody thought of could be found by trying. */
    static final int LEAST_BYTES = 32;

    /** Far above what HMAC-SHA-256 makes use of, far below what would be somebody's disk image. */
    static final int MOST_BYTES = 4096;

    private static final Set<PosixFilePermission> FOR_THE_OWNER = EnumSet.of(
            PosixFilePermission.OWNER_READ, PosixFilePermission.OWNER_WRITE, PosixFilePermission.OWNER_EXECUTE);

    /**
     * The key: what the file holds, without one new line at its end, which editors add.
     *
     * @throws IOException with one sentence, if the file is none that only this user, or root, can read and has written
     */
    public byte[] read() throws IOException {
        try {
            checkSafe();
            byte[] key;
            try (InputStream in = Files.newInputStream(path)) {
                key = withoutNewLine(in.readNBytes(MOST_BYTES + 2));
            }
            if (key.length < LEAST_BYTES) {
                throw new IOException("the key file " + path + " holds " + key.length + " bytes, fewer than the "
                        + LEAST_BYTES + " that a key needs; " + howToMake());
            }
            if (key.length > MOST_BYTES) {
                throw new IOException("the key file " + path + " holds more than " + MOST_BYTES
                        + " bytes: is it the right file? " + howToMake());
            }
            return key;
        } catch (NoSuchFileException e) {
            throw new IOException("the key file " + path + " does not exist; " + howToMake(), e);
        } catch (FileSystemException e) {
            throw new IOException("the key file " + path + " cannot be read by this user", e);
        }
    }

    private void checkSafe() throws IOException {
        PosixFileAttributes attributes = Files.readAttributes(path, PosixFileAttributes.class);
        if (!attributes.isRegularFile()) {
            throw new IOException("the key file " + path + " is not a regular file");
        }
        if (!(Files.getAttribute(path, "unix:uid") instanceof Integer owner)
                || (owner != 0 && owner != Libc.effectiveUser())) {
            throw new IOException(
                    "the key file " + path + " belongs to " + attributes.owner().getName()
                            + ", who could replace it; it must belong to the user that Sluice runs as, or to root");
        }
        if (!FOR_THE_OWNER.containsAll(attributes.permissions())) {
            throw new IOException("the key file " + path + " is open to others than its owner; chmod 600 " + path);
        }
    }

    private static byte[] withoutNewLine(byte[] content) {
        boolean ends = content.length > 0 && content[content.length - 1] == '\n';
        return ends ? Arrays.copyOf(content, content.length - 1) : content;
    }

    private String howToMake() {
        return "make one: head -c 32 /dev/urandom | base64 > " + path + "; chmod 600 " + path;
    }
}
