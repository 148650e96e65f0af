// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

import dev.sluice.linux.Libc;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFileAttributes;
import java.nio.file.attribute.PosixFilePermission;
import java.util.EnumSet;
import java.util.Set;

/** A file that nobody else may read or replace. */
final class SecretFile {

    private static final Set<PosixFilePermission> FOR_THE_OWNER = EnumSet.of(
            PosixFilePermission.OWNER_READ, PosixFilePermission.OWNER_WRITE, PosixFilePermission.OWNER_EXECUTE);

    private SecretFile() {}

    /**
     * Looks at who may do what with it.
     *
     * @param what for people: {@code key}, say
     * @throws IOException with one sentence, if it is none that only this user, or root, can read and has written
     */
    static void check(Path path, String what) throws IOException {
        String file = "the " + what + " file " + path;
        try {
            PosixFileAttributes attributes = Files.readAttributes(path, PosixFileAttributes.class);
            if (!attributes.isRegularFile()) {
                throw new IOException(file + " is not a regular file");
            }
            if (!(Files.getAttribute(path, "unix:uid") instanceof Integer owner)
                    || (owner != 0 && owner != Libc.effectiveUser())) {
                throw new IOException(file + " belongs to " + attributes.owner().getName()
                        + ", who could replace it; it must belong to the user that Sluice runs as, or to root");
            }
            if (!FOR_THE_OWNER.containsAll(attributes.permissions())) {
                throw new IOException(file + " is open to others than its owner; chmod 600 " + path);
            }
        } catch (NoSuchFileException e) {
            throw new IOException(file + " does not exist", e);
        } catch (FileSystemException e) {
            throw new IOException(file + " cannot be read by this user", e);
        }
    }
}
