//! A signature: the types of a function, and libffi's plan for calling it, made once.

use super::frame::Code;
use super::parse::{parse, Type, MOST_ARGUMENTS};
use crate::pool::{Error, Status};
use crate::sync::Slots;
use libffi_sys as ffi;
use std::ffi::c_void;
use std::mem::MaybeUninit;

/// All that have a handle.
pub(crate) static SIGNATURES: Slots<Signature> = Slots::new();

/// In the child of a fork: the parent's signatures are as good here.
///
/// # Safety
/// No other thread uses the library.
pub(crate) unsafe fn after_fork() {
    // SAFETY: by the contract above.
    unsafe { SIGNATURES.after_fork(true) };
}

/// How a function is called.
pub(crate) struct Signature {
    pub(super) result: Type,
    pub(super) arguments: Vec<Type>,
    plan: ffi::ffi_cif,
    /// What the plan points to.
    _types: Vec<*mut ffi::ffi_type>,
}

// SAFETY: nothing is changed after `new`: libffi reads a plan that is prepared, and its own static types.
unsafe impl Send for Signature {}
// SAFETY: as above.
unsafe impl Sync for Signature {}

// A word to cbindgen, which would take it into the header.
#[allow(unused_doc_comments)]
/// cbindgen:ignore
extern "C-unwind" {
    /// The one of libffi-sys, for functions that a panic may leave: the task's runner catches it.
    fn ffi_call(plan: *mut ffi::ffi_cif, function: Code, result: *mut c_void, arguments: *mut *mut c_void);
}

impl Signature {
    /// Reads the text and prepares the plan.
    pub(super) fn new(text: &[u8]) -> Result<Self, Error> {
        let (result, arguments) = parse(text)?;
        let mut types: Vec<_> = arguments.iter().map(|&argument| described(argument)).collect();
        let mut plan = MaybeUninit::zeroed();
        // SAFETY: the plan may be written; the types are static, and their array lives as long as the plan does.
        let status = unsafe {
            ffi::ffi_prep_cif(
                plan.as_mut_ptr(),
                ffi::ffi_abi_FFI_DEFAULT_ABI,
                types.len() as u32,
                described(result),
                types.as_mut_ptr(),
            )
        };
        if status != ffi::ffi_status_FFI_OK {
            return Err(Error::invalid("libffi can't call functions of this signature"));
        }
        // SAFETY: prepared.
        Ok(Self { result, arguments, plan: unsafe { plan.assume_init() }, _types: types })
    }

    /// Makes one that has a handle; its number.
    pub(crate) fn create(text: &[u8]) -> Result<u64, Error> {
        SIGNATURES.insert(Self::new(text)?).ok_or_else(|| Status::NoMemory.into())
    }

    /// Calls the function with these values. The result is as libffi leaves it: integers widened to a word.
    ///
    /// # Safety
    /// The function is of this signature, and may be called with these arguments.
    pub(super) unsafe fn call(&self, function: Code, values: &[u64]) -> u64 {
        assert_eq!(values.len(), self.arguments.len());
        let mut pointers = [std::ptr::null_mut::<c_void>(); MOST_ARGUMENTS];
        for (pointer, value) in pointers.iter_mut().zip(values) {
            *pointer = std::ptr::from_ref(value).cast_mut().cast();
        }
        let mut result = 0_u64;
        let plan = (&raw const self.plan).cast_mut();
        // SAFETY: a prepared plan, which libffi only reads, as it does the values; no result is larger than a word; the
        // rest is the contract above.
        unsafe { ffi_call(plan, function, (&raw mut result).cast(), pointers.as_mut_ptr()) };
        result
    }
}

const _: () = assert!(size_of::<ffi::ffi_arg>() == 8, "libffi widens to the word that the result is kept in");

/// libffi's description of a type.
fn described(it: Type) -> *mut ffi::ffi_type {
    match it {
        Type::I8 => &raw mut ffi::ffi_type_sint8,
        Type::I16 => &raw mut ffi::ffi_type_sint16,
        Type::I32 => &raw mut ffi::ffi_type_sint32,
        Type::I64 => &raw mut ffi::ffi_type_sint64,
        Type::U8 => &raw mut ffi::ffi_type_uint8,
        Type::U16 => &raw mut ffi::ffi_type_uint16,
        Type::U32 => &raw mut ffi::ffi_type_uint32,
        Type::U64 => &raw mut ffi::ffi_type_uint64,
        Type::F32 => &raw mut ffi::ffi_type_float,
        Type::F64 => &raw mut ffi::ffi_type_double,
        Type::Pointer => &raw mut ffi::ffi_type_pointer,
        Type::Void => &raw mut ffi::ffi_type_void,
    }
}
