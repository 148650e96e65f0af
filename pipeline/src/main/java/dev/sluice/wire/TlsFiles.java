// SPDX-License-Identifier: Apache-2.0
package dev.sluice.wire;

import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.PublicKey;
import java.security.Signature;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Stream;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;
import org.jspecify.annotations.Nullable;

/**
 * What an end of a connection with TLS has, in PEM files as openssl writes them. The end that listens shows a certificate;
 * the end that connects trusts it, and checks that it is for the host that it connected to.
 *
 * @param certificate of this end, with those between it and one that the peer trusts behind it
 * @param privateKey of the certificate
 * @param trust certificates, of which one must have signed the peer's; an end that listens asks for one then
 */
public record TlsFiles(
        @Nullable Path certificate,
        @Nullable Path privateKey,
        @Nullable Path trust) {

    /** Far above a chain of certificates, far below what would be a disk image. */
    private static final int MOST_BYTES = 1 << 20;

    private static final char[] NO_PASSWORD = {};

    /** RFC 7468. */
    private static final Pattern PRIVATE_KEY =
            Pattern.compile("-----BEGIN PRIVATE KEY-----([^-]*)-----END PRIVATE KEY-----");

    /**
     * What is not there, and must be: {@code certificate}, {@code private-key}, {@code trust}, or nothing.
     *
     * @param connects whether this end makes the connections
     */
    public String missing(boolean connects) {
        if (certificate == null && (privateKey != null || !connects)) {
            return "certificate";
        }
        if (privateKey == null && certificate != null) {
            return "private-key";
        }
        return connects && trust == null ? "trust" : "";
    }

    /**
     * Reads the files, and forgets them.
     *
     * @throws IOException with one sentence, if one is not what it should be
     */
    public void check() throws IOException {
        context();
    }

    List<Path> all() {
        return Stream.of(certificate, privateKey, trust)
                .filter(Objects::nonNull)
                .toList();
    }

    /** Reads the files. */
    SSLContext context() throws IOException {
        try {
            KeyManagerFactory shown = KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
            shown.init(shown(), NO_PASSWORD);
            TrustManagerFactory trusted = TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
            trusted.init(trusted());
            SSLContext context = SSLContext.getInstance(Tls.PROTOCOL);
            context.init(shown.getKeyManagers(), trusted.getTrustManagers(), null);
            return context;
        } catch (GeneralSecurityException e) {
            throw new IOException("TLS cannot be used: " + e.getMessage(), e);
        }
    }

    private KeyStore shown() throws IOException, GeneralSecurityException {
        KeyStore store = empty();
        if (certificate != null && privateKey != null) {
            Collection<? extends Certificate> chain = certificates(certificate);
            PublicKey shown = chain.iterator().next().getPublicKey();
            PrivateKey key = privateKey(privateKey, shown.getAlgorithm());
            if (!belong(key, shown)) {
                throw new IOException(
                        "the private key " + privateKey + " is not that of the certificate in " + certificate);
            }
            store.setKeyEntry("sluice", key, NO_PASSWORD, chain.toArray(Certificate[]::new));
        }
        return store;
    }

    private static boolean belong(PrivateKey key, PublicKey to) throws GeneralSecurityException {
        Signature signature = Signature.getInstance(
                switch (to.getAlgorithm()) {
                    case "RSA" -> "SHA256withRSA";
                    case "EC" -> "SHA256withECDSA";
                    default -> to.getAlgorithm();
                });
        byte[] anything = {1};
        signature.initSign(key);
        signature.update(anything);
        byte[] signed = signature.sign();
        signature.initVerify(to);
        signature.update(anything);
        return signature.verify(signed);
    }

    private KeyStore trusted() throws IOException, GeneralSecurityException {
        KeyStore store = empty();
        if (trust != null) {
            int number = 0;
            for (Certificate one : certificates(trust)) {
                store.setCertificateEntry("trusted " + number++, one);
            }
        }
        return store;
    }

    private static KeyStore empty() throws IOException, GeneralSecurityException {
        KeyStore store = KeyStore.getInstance(KeyStore.getDefaultType());
        store.load(null, NO_PASSWORD);
        return store;
    }

    private static Collection<? extends Certificate> certificates(Path file) throws IOException {
        try {
            Collection<? extends Certificate> found = CertificateFactory.getInstance("X.509")
                    .generateCertificates(new ByteArrayInputStream(read(file, "certificate")));
            if (!found.isEmpty()) {
                return found;
            }
        } catch (CertificateException e) {
            throw new IOException(file + " holds no certificate in PEM format: " + e.getMessage(), e);
        }
        throw new IOException(file + " holds no certificate in PEM format");
    }

    /** @param algorithm of the certificate that it belongs to: the file does not say it in a way that can be asked for */
    private static PrivateKey privateKey(Path file, String algorithm) throws IOException, GeneralSecurityException {
        SecretFile.check(file, "private key");
        byte[] content = read(file, "private key");
        Matcher pem = PRIVATE_KEY.matcher(new String(content, StandardCharsets.US_ASCII));
        if (!pem.find()) {
            throw new IOException(file + " holds no private key in PEM format (PKCS #8, without a password); "
                    + "openssl pkcs8 -topk8 -nocrypt -in " + file + " -out NEW makes one of others");
        }
        try {
            byte[] encoded = Base64.getMimeDecoder().decode(pem.group(1));
            return KeyFactory.getInstance(algorithm).generatePrivate(new PKCS8EncodedKeySpec(encoded));
        } catch (IllegalArgumentException | InvalidKeySpecException e) {
            throw new IOException(
                    file + " holds no private key for the certificate's kind of key, which is " + algorithm + ": "
                            + e.getMessage(),
                    e);
        }
    }

    private static byte[] read(Path path, String what) throws IOException {
        String file = "the " + what + " file " + path;
        if (Files.exists(path) && !Files.isRegularFile(path)) {
            throw new IOException(file + " is not a regular file");
        }
        byte[] content;
        try (InputStream in = Files.newInputStream(path)) {
            content = in.readNBytes(MOST_BYTES + 1);
        } catch (NoSuchFileException e) {
            throw new IOException(file + " does not exist", e);
        } catch (IOException e) {
            throw new IOException(file + " cannot be read by this user: " + e.getMessage(), e);
        }
        if (content.length > MOST_BYTES) {
            throw new IOException(file + " is larger than " + MOST_BYTES + " bytes: is it the right one?");
        }
        return content;
    }
}
