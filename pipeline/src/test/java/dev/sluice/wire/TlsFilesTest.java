// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.attribute.PosixFilePermissions;
import java.util.ArrayList;
import java.util.List;
import java.util.Objects;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

final class TlsFilesTest {

    @TempDir
    private Path folder;

    private Certificates certificates;
    private Path authority;
    private TlsFiles end;

    @BeforeEach
    void makeCertificates() throws IOException {
        certificates = new Certificates(folder);
        authority = certificates.authority("ca");
        end = certificates.end("end", "DNS:board", "ca", "ec");
    }

    private static @Nullable Path path(@Nullable String name) {
        return name == null ? null : Path.of(name);
    }

    @ParameterizedTest
    @CsvSource({
        "c, k,   , false, ''",
        "c, k, t, false, ''",
        "c,  , t, false, private-key",
        " , k, t, false, certificate",
        " ,  , t, false, certificate",
        " ,  , t, true,  ''",
        "c, k, t, true,  ''",
        "c,  , t, true,  private-key",
        " , k, t, true,  certificate",
        "c, k,  , true,  trust",
    })
    void whatEachEndNeeds(
            @Nullable String certificate,
            @Nullable String key,
            @Nullable String trust,
            boolean connects,
            String missing) {
        assertThat(new TlsFiles(path(certificate), path(key), path(trust)).missing(connects))
                .isEqualTo(missing);
    }

    @ParameterizedTest
    @ValueSource(strings = {"ec", "rsa"})
    void keysAsOpensslMakesThemAreRead(String kind) throws Exception {
        certificates.end("board", "DNS:board", "ca", kind).check();
    }

    @ParameterizedTest
    @ValueSource(strings = {"ec", "rsa"})
    void keysInOlderFormatsAreRefusedWithTheWayOut(String kind) throws Exception {
        certificates.end("board", "DNS:board", "ca", kind);
        Path old = folder.resolve("old.key");
        List<String> command = new ArrayList<>(List.of("openssl", kind, "-in", "board.key", "-out", "old.key"));
        if (kind.equals("rsa")) {
            command.add("-traditional");
        }
        certificates.run(command);
        Files.setPosixFilePermissions(old, PosixFilePermissions.fromString("rw-------"));
        assertRefused(
                new TlsFiles(folder.resolve("board.pem"), old, null),
                old + " holds no private key in PEM format (PKCS #8, without a password); "
                        + "openssl pkcs8 -topk8 -nocrypt -in " + old + " -out NEW makes one of others");
        Path converted = folder.resolve("converted.key");
        certificates.run(
                List.of("openssl", "pkcs8", "-topk8", "-nocrypt", "-in", old.toString(), "-out", converted.toString()));
        new TlsFiles(folder.resolve("board.pem"), converted, null).check();
    }

    @Test
    void aKeyThatOthersCanReadIsRefused() throws Exception {
        Path key = folder.resolve("end.key");
        Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("rw-r-----"));
        assertRefused(end, "the private key file " + key + " is open to others than its owner; chmod 600 " + key);
    }

    @Test
    void aKeyThatIsOpenedToOthersMeanwhileIsRefused() throws Exception {
        Tls tls = new Tls(end);
        tls.engine(null, 0);
        Path key = Objects.requireNonNull(end.privateKey());
        Files.setPosixFilePermissions(key, PosixFilePermissions.fromString("rw-r--r--"));
        assertThatThrownBy(() -> tls.engine(null, 0))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("is open to others than its owner");
    }

    @Test
    void filesThatAreNotThereOrAreOtherThingsAreNamed() throws Exception {
        Path nothing = folder.resolve("nothing");
        assertRefused(new TlsFiles(null, null, nothing), "the certificate file " + nothing + " does not exist");
        assertRefused(
                new TlsFiles(end.certificate(), nothing, null), "the private key file " + nothing + " does not exist");
        Path text = Files.writeString(folder.resolve("text"), "not a certificate\n");
        Files.setPosixFilePermissions(text, PosixFilePermissions.fromString("rw-------"));
        assertRefused(new TlsFiles(null, null, text), text + " holds no certificate in PEM format");
        assertRefused(
                new TlsFiles(end.certificate(), text, null),
                text + " holds no private key in PEM format (PKCS #8, without a password); ");
        Path torn = Files.writeString(
                folder.resolve("torn"), "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n");
        Files.setPosixFilePermissions(torn, PosixFilePermissions.fromString("rw-------"));
        assertRefused(
                new TlsFiles(end.certificate(), torn, null),
                torn + " holds no private key for the certificate's kind of key, which is EC: ");
        Path empty = Files.createFile(folder.resolve("empty"));
        assertRefused(new TlsFiles(null, null, empty), empty + " holds no certificate in PEM format");
        assertRefused(
                new TlsFiles(null, null, Path.of("/dev/zero")), "the certificate file /dev/zero is not a regular file");
        Path large = Files.write(folder.resolve("large"), new byte[(1 << 20) + 1]);
        assertRefused(
                new TlsFiles(null, null, large),
                "the certificate file " + large + " is larger than 1048576 bytes: is it the right one?");
        assertRefused(new TlsFiles(null, null, folder), "the certificate file " + folder + " is not a regular file");
    }

    @Test
    void aKeyOfAnotherCertificateIsRefused() throws Exception {
        TlsFiles other = certificates.end("other", "DNS:board", "ca", "ec");
        assertRefused(
                new TlsFiles(end.certificate(), other.privateKey(), authority),
                "the private key " + other.privateKey() + " is not that of the certificate in " + end.certificate());
        TlsFiles kind = certificates.end("kind", "DNS:board", "ca", "rsa");
        assertRefused(
                new TlsFiles(end.certificate(), kind.privateKey(), authority),
                kind.privateKey() + " holds no private key for the certificate's kind of key, which is EC: ");
    }

    private static void assertRefused(TlsFiles files, String... message) {
        assertThatThrownBy(files::check).isInstanceOf(IOException.class).hasMessageContainingAll(message);
    }
}
