// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;

/**
 * Where the key is that both ends of a connection have. It is read for each connection, so that it can be replaced while
 * Sluice runs, and no object here keeps or prints it.
 */
public record KeyFile(Path path) {

    /** Below this many bytes, a key that somebody thought of could be found by trying. */
    static final int LEAST_BYTES = 32;

    /** Far above what HMAC-SHA-256 makes use of, far below what would be somebody's disk image. */
    static final int MOST_BYTES = 4096;

    /**
     * The key: what the file holds, without one new line at its end, which editors add.
     *
     * @throws IOException with one sentence, if the file is none that only this user, or root, can read and has written
     */
    public byte[] read() throws IOException {
        if (Files.notExists(path)) {
            throw new IOException("the key file " + path + " does not exist; " + howToMake());
        }
        try {
            SecretFile.check(path, "key");
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
        } catch (FileSystemException e) {
            throw new IOException("the key file " + path + " cannot be read by this user", e);
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
